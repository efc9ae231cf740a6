"""How plots look: colours, line styles and markers that also differ in grey."""

from itertools import cycle, islice
from typing import Any, NamedTuple

Dash = str | tuple[float, tuple[float, ...]]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D00")
"""Okabe and Ito's palette, its yellow darkened to be seen on white."""
_DASHES: tuple[Dash, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

RC: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "svg.hashsalt": "involbench",
}
"""matplotlib settings of every figure; the salt makes SVG files reproducible."""


class LineStyle(NamedTuple):
    """What tells one model's lines from another's."""

    colour: str
    dash: Dash
    marker: str


def line_styles(count: int) -> list[LineStyle]:
    """A style for each of `count` models, by their order; no two of the first 8 share any two."""
    styles = zip(cycle(_COLOURS), cycle(_DASHES), cycle(_MARKERS), strict=False)
    return [LineStyle(*style) for style in islice(styles, count)]
