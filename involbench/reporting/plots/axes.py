"""Parts of figures: curves, points with intervals, limits, labels."""

from collections.abc import Iterable, Sequence
from math import nan
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from involbench.reporting.style import GREY, LineStyle, Styles, styles_of
from involbench.statistics.estimates import mean_curve

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


def percent() -> FuncFormatter:
    """Ticks of a fraction in percent, such as `45.5`; the percent sign is in the axis label."""
    return FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}")


def counts() -> FuncFormatter:
    """Ticks of a count: `500`, `10k`, `2.5M`."""
    return FuncFormatter(lambda value, _: _count(value))


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """Cut the middle of a long name: names often differ at the end."""
    end = longest * 3 // 10
    return name if len(name) <= longest else f"{name[: longest - end - 1]}…{name[-end:]}"


def _count(value: float) -> str:
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= power:
            scale = 1e3 if letter == "k" else power
            return f"{value / scale:g}{letter}"
    return f"{value:g}"


Curve = Sequence[float | None]
Interval = tuple[float, float] | None
PlotOptions = dict[str, Any]
"""Keyword arguments of a matplotlib call."""

WIDTH = 5.4
"""Inches: readable on a phone."""

_LABELS = {"accuracy": "accuracy (%)", "loss": "cross-entropy loss (nats)"}
_LOG_SCALE_FROM = 30
"""A loss that spans this factor needs a logarithmic scale."""


def own_styles(names: Iterable[str], styles: Styles | None) -> Styles:
    """The given styles, or default styles in the order of the names."""
    return styles_of((name, name) for name in names) if styles is None else styles


def draw_seeds(axes: Axes, seeds: Sequence[Curve], style: LineStyle, model: str) -> None:
    """One model: a thin line for each seed, and a thick line for the mean."""
    if len(seeds) > 1:
        for curve in seeds:
            values = _heights(curve)
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=style.colour,
                linestyle=style.dash,
                linewidth=0.8,
                alpha=0.7,
                marker="_" if len(values) == 1 else "",
                markersize=14,
            )
    count = f"{len(seeds)} seed" + ("" if len(seeds) == 1 else "s")
    draw_mean(axes, mean_curve(seeds), style, f"{short(model)} ({count})")


def draw_mean(axes: Axes, curve: Curve, style: LineStyle, label: str) -> None:
    """A thick line with markers; None leaves a gap."""
    values = _heights(curve)
    step = max(1, len(values) // 8)
    axes.plot(
        range(1, len(values) + 1),
        values,
        color=style.colour,
        linestyle=style.dash,
        linewidth=2.2,
        marker=style.marker,
        markersize=5,
        markevery=((len(values) - 1) % step, step),
        label=label,
    )


def finish(panels: Sequence[Axes], metric: str) -> None:
    """Set labels, ticks at whole epochs, and the same limits for all panels."""
    drawn = [np.asarray(line.get_ydata(), float) for axes in panels for line in axes.lines]
    heights = [float(y) for values in drawn for y in values if np.isfinite(y)]
    epochs = max([1, *map(len, drawn)])
    for axes in panels:
        axes.set_ylabel(_LABELS[metric])
        if metric == "accuracy":
            axes.yaxis.set_major_formatter(percent())
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim((0.5, epochs + 0.5) if epochs < 3 else (1 - 0.02 * epochs, 1.02 * epochs))
        if not any(np.isfinite(np.asarray(line.get_ydata(), float)).any() for line in axes.lines):
            say_empty(axes)
        axes.label_outer()
    if heights:
        _set_heights(panels, metric, min(heights), max(heights))


def say_empty(axes: Axes) -> None:
    """Write `no values` in an empty panel."""
    axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=GREY)


def draw_chance(panels: Sequence[Axes], chance: float) -> None:
    """A dotted line at the accuracy of guessing, unless it would squeeze the curves."""
    low, high = panels[0].get_ylim()
    if not is_near(chance, low, high):
        return
    for axes in panels:
        label = f"chance ({100 * chance:.3g}%)"
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label=label)
        axes.set_ylim(min(low, chance - 0.05 * (high - chance)), high)


def is_near(chance: float, low: float, high: float) -> bool:
    """Whether chance is near enough to show with values between low and high."""
    return low - (high - low) <= chance <= high


def _set_heights(panels: Sequence[Axes], metric: str, low: float, high: float) -> None:
    """Set limits around the values; a loss with a wide range gets a logarithmic scale."""
    if metric == "loss" and low > 0 and high / low > _LOG_SCALE_FROM:
        for axes in panels:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(counts())
        return
    margin = max(0.05 * (high - low), 0.01)
    bottom, top = low - margin, high + margin
    if metric == "accuracy":
        bottom, top = max(bottom, -0.01), min(top, 1.01)
    for axes in panels:
        axes.set_ylim(bottom, top)


def _heights(curve: Curve) -> list[float]:
    return [nan if value is None else value for value in curve]


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
        place: PlotOptions = {
            "transform": axes.get_yaxis_transform(),
            "va": "center",
            "fontsize": 9,
        }
        axes.text(0, row - 0.5 + letter / 2, short(name, _LONGEST), **place)
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
    axes.plot(
        [point.x],
        [point.y],
        color=style.colour,
        marker=style.marker,
        markersize=8,
        linestyle="",
        label=label or "_point",
    )


def panel(quantity: str) -> tuple[Figure, Axes]:
    """A figure with one panel whose y axis shows a fraction in percent."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.yaxis.set_major_formatter(percent())
    axes.set_ylabel(f"{quantity} (%)")
    return figure, axes


def is_wide(values: list[float]) -> bool:
    """Whether a logarithmic scale shows these values better."""
    return bool(values) and min(values) > 1e-12 and max(values) >= _WIDE_FROM * min(values)
