"""Write figures to files, in fonts that have all glyphs."""

import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

from involbench.reporting.plots.settings import RC
from involbench.results.files import write_atomic
from involbench.results.paths import AnyPath
from involbench.text import visible

_MISSING = re.compile(r"Glyph (\d+) .* missing from font")
_NO_FALLBACK = ("Last Resort", ".LastResort", "Adobe Blank")
"""Fonts that draw a box, or nothing, for every character."""


class MissingGlyphs(UserWarning):
    """A figure has characters that no installed font has."""


def with_all_glyphs(figure: Figure, draw: Callable[[], bytes]) -> bytes:
    """Draw a figure; if its fonts lack characters, draw it again with other fonts.

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
        message = (
            f"no installed font has {' '.join(sorted(missing))}: the figure shows a box instead; "
            "install a font that has them, such as Noto Sans CJK for Chinese, Japanese and Korean"
        )
        warnings.warn(message, MissingGlyphs, stacklevel=2)
    return content


def _drawn(draw: Callable[[], bytes]) -> tuple[bytes, frozenset[str]]:
    """The drawn figure, and the characters that its fonts lack."""
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
    """A few installed font families that together cover the characters as far as possible."""
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


_DOTS_PER_INCH = 150
_WITHOUT_A_DATE: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
FORMATS = tuple(_WITHOUT_A_DATE)


def save_figure(
    figure: Figure, path: AnyPath, formats: Sequence[str] = ("png", "svg")
) -> list[AnyPath]:
    """Write a file for each format; the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: The file's, without its ending.
        formats: Of `FORMATS`; a PNG has 150 dots an inch.

    Raises:
        ResultsError: The folder cannot be written.
    """
    written = list[AnyPath]()
    for name in formats:
        target = path.parent / f"{path.name}.{name}"
        write_atomic(target, drawn(figure, name))
        written.append(target)
    return written


def drawn(figure: Figure, name: str, settings: dict[Any, Any] | None = None) -> bytes:
    """Render a figure to the bytes of a file.

    Where everything stands in the figure is worked out when it is first drawn, and stays.

    Args:
        figure: The figure.
        name: The format, of `FORMATS`.
        settings: Of matplotlib, beside those of every figure.
    """

    def draw() -> bytes:
        buffer = BytesIO()
        metadata = _WITHOUT_A_DATE[name]
        figure.savefig(buffer, format=name, dpi=_DOTS_PER_INCH, metadata=metadata)
        return buffer.getvalue()

    _make_visible(figure)
    with rc_context({**RC, **(settings or {})}), warnings.catch_warnings():
        if (settings or {}).get(
            "svg.fonttype"
        ) == "none":  # The browser draws the text, with its own fonts.
            warnings.simplefilter("ignore", MissingGlyphs)
        content = with_all_glyphs(figure, draw)
        figure.set_layout_engine(None)  # Computing the layout again is slow.
    return content


def _make_visible(figure: Figure) -> None:
    """Escape control characters, which XML does not allow and fonts lack."""
    for artist in figure.findobj(Text):
        text = artist.get_text()
        if text != (safe := visible(text)):
            artist.set_text(safe)
