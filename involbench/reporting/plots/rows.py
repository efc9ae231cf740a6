"""Figures with a row for each model, its name above it: so a name may be long."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import WIDTH, Look, say_empty
from involbench.reporting.plots.words import short

_LONGEST = 58
"""Letters that fit above a row."""


def row_figure(names: Sequence[str], row_height: float) -> tuple[Figure, Axes]:
    """A figure that is as high as it has rows: row k is between k - 0.5 and k + 0.5, downward.

    Args:
        names: What stands above each row.
        row_height: Inches.
    """
    height = 0.8 + row_height * max(1, len(names))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_ylim(max(1, len(names)) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines.left.set_visible(False)
    axes.grid(axis="y", visible=False)
    letter = 0.14 / row_height
    for row, name in enumerate(names):
        place: Look = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 9}
        axes.text(0, row - 0.5 + letter / 2, short(name, _LONGEST), **place)
    if not names:
        say_empty(axes)
    return figure, axes
