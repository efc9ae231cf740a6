"""How plots look: colours, line styles and markers that also differ in grey."""

from collections.abc import Iterable
from typing import Any, NamedTuple

Dash = str | tuple[float, tuple[float, ...]]

INK = "#1a1a1a"
"""Of text and axes. A page that is dark puts its own in place of it."""
GREY = "#737373"
"""Of what is no model's: chance, diagonals. Seen on white and on black."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK, "#8C6D00")
"""Okabe and Ito's palette, its yellow darkened to be seen on white."""
_DASHES: tuple[Dash, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

STYLE: dict[Any, Any] = {
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
"""matplotlib settings of every figure; the salt makes SVG files reproducible, and a name with
two `$` in it is a name."""


class LineStyle(NamedTuple):
    """What tells one model's lines from another's."""

    colour: str
    dash: Dash
    marker: str


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
