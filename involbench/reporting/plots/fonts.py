"""Names in scripts that the usual font lacks: drawn by an installed font that has them."""

import re
import warnings
from collections.abc import Callable
from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

_MISSING = re.compile(r"Glyph (\d+) .* missing from font")
_NO_FALLBACK = ("Last Resort", ".LastResort", "Adobe Blank")
"""Fonts that have a box, or nothing, for every character."""


class MissingGlyphs(UserWarning):
    """No installed font has some character of a figure."""


def with_all_glyphs(figure: Figure, draw: Callable[[], bytes]) -> bytes:
    """Draw a figure, and once more with other fonts where its own lack characters.

    Warns of `MissingGlyphs`, in place of matplotlib's warnings, where no font has one.

    Args:
        figure: Its texts get the fonts that they need, beside those they have.
        draw: Draws it.
    """
    content, missing = _drawn(draw)
    if missing and (families := _families_with(missing)):
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            text.set_fontfamily([*text.get_fontfamily(), *families])
        content, missing = _drawn(draw)
    if missing:
        said = (
            f"no installed font has {' '.join(sorted(missing))}: the figure shows a box instead; "
            "install a font that has, such as Noto Sans CJK for Chinese, Japanese and Korean"
        )
        warnings.warn(said, MissingGlyphs, stacklevel=2)
    return content


def _drawn(draw: Callable[[], bytes]) -> tuple[bytes, frozenset[str]]:
    """The figure, and the characters that its fonts lack."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        content = draw()
    missing = set()
    for warning in caught:
        if found := _MISSING.match(str(warning.message)):
            missing.add(chr(int(found[1])))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return content, frozenset(missing)


@cache
def _families_with(characters: frozenset[str]) -> tuple[str, ...]:
    """As few installed font families as have all of the characters that any of them has."""
    left, families = set(characters), list[str]()
    files = {
        entry.name: entry.fname
        for entry in fontManager.ttflist
        if (entry.style, entry.weight) == ("normal", 400)
    }
    for name in sorted(files, key=lambda name: (not name.startswith("Noto Sans"), name)):
        if not left or name.startswith(_NO_FALLBACK):
            continue
        font = get_font(files[name])
        if has := {character for character in left if font.get_char_index(ord(character))}:
            families.append(name)
            left -= has
    return tuple(families)
