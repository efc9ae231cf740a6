"""Parts of figures: panels, rows, points with intervals, tick labels, legends."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from involbench.reporting.plots.figure import GREY, Figure, LineStyle, Styles, styles_of

_LONGEST_NAME = 40
_ROWS_WITH_ROOM = 2
"""Rows of a legend that fit below every figure."""


def legend_below(figure: Figure, axes: Axes, handle: float = 5) -> None:
    """Draw one legend for all panels, with as many columns as fit.

    Args:
        figure: Made higher if the legend has many rows.
        axes: The panel whose lines the legend names.
        handle: Length of the line beside each name.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    room = int(11 * figure.get_figwidth())
    columns = max(1, min(len(labels), room // (max(map(len, labels)) + 4 + int(handle))))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.2 * max(0, rows - _ROWS_WITH_ROOM))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=handle)


def percent_ticks() -> FuncFormatter:
    """Fractions in percent, such as `45.5`; the percent sign is in the axis label."""
    return FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}")


def count_ticks() -> FuncFormatter:
    """Counts: `500`, `10k`, `2.5M`."""

    def text(value: float, _: object) -> str:
        for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
            if abs(value) >= power:
                return f"{value / (1e3 if letter == 'k' else power):g}{letter}"
        return f"{value:g}"

    return FuncFormatter(text)


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """Cut the middle of a long name: names often differ at the end."""
    end = longest * 3 // 10
    return name if len(name) <= longest else f"{name[: longest - end - 1]}…{name[-end:]}"


Interval = tuple[float, float] | None
PlotOptions = dict[str, Any]
"""Keyword arguments of a matplotlib call."""

WIDTH = 5.4
"""Inches: readable on a phone."""


def own_styles(names: Iterable[str], styles: Styles | None) -> Styles:
    """The given styles, or default styles in the order of the names."""
    return styles_of((name, name) for name in names) if styles is None else styles


def say_empty(axes: Axes) -> None:
    """Write `no values` in an empty panel."""
    axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=GREY)


def is_near(chance: float, low: float, high: float) -> bool:
    """Whether chance is near enough to show with values between low and high."""
    return low - (high - low) <= chance <= high


_LONGEST = 58
"""Characters that fit above a row."""


def row_figure(names: Sequence[str], row_height: float) -> tuple[Figure, Axes]:
    """A figure with a row for each name: row k is between k - 0.5 and k + 0.5, downward.

    Args:
        names: The text above each row.
        row_height: In inches.
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
        place: PlotOptions = {"transform": axes.get_yaxis_transform(), "va": "center"}
        axes.text(0, row - 0.5 + letter / 2, short(name, _LONGEST), fontsize=9, **place)
    if not names:
        say_empty(axes)
    return figure, axes


_WIDE_FROM = 10
"""Values that span this factor would overlap at one end of a linear scale."""


class Point(NamedTuple):
    """A measurement at x: a swept value or a cost."""

    x: float
    y: float
    """The mean; for an accuracy, a fraction."""
    interval: Interval = None
    """Lower and upper end of the interval of the mean."""


def draw_point(axes: Axes, point: Point, style: LineStyle, label: str = "") -> None:
    """A marker, with a bar over the interval."""
    if point.interval is not None:
        axes.vlines(point.x, *point.interval, colors=style.colour, linewidth=1.4, alpha=0.8)
    look = {**style.options, "linestyle": "", "markersize": 8, "label": label or "_point"}
    axes.plot([point.x], [point.y], **look)


def panel(quantity: str) -> tuple[Figure, Axes]:
    """A figure with one panel whose y axis shows a fraction in percent."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.yaxis.set_major_formatter(percent_ticks())
    axes.set_ylabel(f"{quantity} (%)")
    return figure, axes


def is_wide(values: list[float]) -> bool:
    """Whether a logarithmic scale shows these values better."""
    return bool(values) and min(values) > 1e-12 and max(values) >= _WIDE_FROM * min(values)
