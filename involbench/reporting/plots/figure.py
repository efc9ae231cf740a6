"""How figures look, and how they are written to files, in fonts that have all glyphs.

This module must be imported before others that import matplotlib.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from involbench.errors import InvolbenchError
from involbench.results.files import write_atomic
from involbench.results.paths import AnyPath
from involbench.text import visible

_chosen = os.environ.pop("MPLBACKEND", None)
try:
    # matplotlib cannot be imported if MPLBACKEND names a backend that is not installed, such as
    # that of a notebook whose shell started this process. Saved figures need no backend.
    import matplotlib
except Exception as error:
    raise InvolbenchError(f"matplotlib cannot be imported: {error}") from error
finally:
    if _chosen is not None:
        os.environ["MPLBACKEND"] = _chosen
if _chosen is not None:
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _chosen  # A notebook needs its backend.

from matplotlib import rc_context  # noqa: E402
from matplotlib.figure import Figure as AnyFigure  # noqa: E402
from matplotlib.font_manager import fontManager, get_font  # noqa: E402
from matplotlib.text import Text  # noqa: E402

Dash = str | tuple[float, tuple[float, ...]]

INK = "#1a1a1a"
"""Text and axes. The report replaces it by the text colour of the page."""
GREY = "#737373"
"""Chance and diagonals: visible on white and on black."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK, "#8C6D00")
"""The palette of Okabe and Ito, with a darker yellow that is visible on white."""
_DASHES: tuple[Dash, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "svg.hashsalt": "involbench",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
"""matplotlib settings of every figure. The salt makes SVG files reproducible. A name with two `$`
is no formula."""


RC: dict[Any, Any] = {
    **{k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")},
    **_STYLE,
}
"""Settings of every figure: the defaults of matplotlib, updated by `_STYLE`."""


class Figure(AnyFigure):
    """A figure that a notebook shows, whether pyplot is imported or not."""

    def _repr_png_(self) -> bytes:
        return drawn(self, "png", dots_per_inch=100)


class LineStyle(NamedTuple):
    """How the lines of one model look."""

    colour: str
    dash: Dash
    marker: str

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of matplotlib's `plot`."""
        return {"color": self.colour, "linestyle": self.dash, "marker": self.marker}


Styles = dict[str, LineStyle]
"""Name of a line -> its style."""


def line_styles(count: int) -> list[LineStyle]:
    """A style for each of `count` models, by their order; no two of the first 8 share any two."""
    return [_style(model, model // len(_COLOURS)) for model in range(count)]


def styles_of(lines: Iterable[tuple[str, str]], models: Iterable[str] = ()) -> Styles:
    """A style for each line of several models: the colour is the model's, whatever is drawn.

    Args:
        lines: (name of the line, its model) each, such as `("inn kernel_size=5", "inn")`.
        models: All models in their order, where not all of them have lines.
    """
    named: dict[str, list[str]] = {model: [] for model in models}
    for line, model in lines:
        named.setdefault(model, []).append(line)
    return {
        line: _style(place, place // len(_COLOURS) + turn)
        for place, names in enumerate(named.values())
        for turn, line in enumerate(names)
    }


def _style(place: int, turn: int) -> LineStyle:
    """A model's style; each turn gives it another dash and marker, in the same colour."""
    return LineStyle(
        _COLOURS[place % len(_COLOURS)],
        _DASHES[(place + turn) % len(_DASHES)],
        _MARKERS[(place + 3 * turn) % len(_MARKERS)],
    )


_MISSING = re.compile(r"Glyph (\d+) .* missing from font")
_NO_FALLBACK = ("Last Resort", ".LastResort", "Adobe Blank")
"""Fonts that draw a box, or nothing, for every character."""


class MissingGlyphs(UserWarning):
    """A figure has characters that no installed font has."""


def with_all_glyphs(figure: AnyFigure, draw: Callable[[], bytes]) -> bytes:
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
    figure: AnyFigure, path: AnyPath, formats: Sequence[str] = ("png", "svg")
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


def drawn(
    figure: AnyFigure,
    name: str,
    settings: dict[Any, Any] | None = None,
    dots_per_inch: int = _DOTS_PER_INCH,
) -> bytes:
    """Render a figure to the bytes of a file.

    Where everything stands in the figure is worked out when it is first drawn, and stays.

    Args:
        figure: The figure.
        name: The format, of `FORMATS`.
        settings: Of matplotlib, beside those of every figure.
        dots_per_inch: Of a PNG.
    """

    def draw() -> bytes:
        buffer = BytesIO()
        metadata = _WITHOUT_A_DATE[name]
        figure.savefig(buffer, format=name, dpi=dots_per_inch, metadata=metadata)
        return buffer.getvalue()

    for artist in figure.findobj(Text):  # XML allows no control characters, and fonts lack them.
        if (text := artist.get_text()) != (safe := visible(text)):
            artist.set_text(safe)
    used = {**RC, **(settings or {})}
    with rc_context(used), warnings.catch_warnings():
        if used["svg.fonttype"] == "none":  # The browser draws the text, with its own fonts.
            warnings.simplefilter("ignore", MissingGlyphs)
        content = with_all_glyphs(figure, draw)
        figure.set_layout_engine(None)  # Computing the layout again is slow.
    return content
