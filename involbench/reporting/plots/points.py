"""Means with their intervals, as points of a picture."""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import WIDTH, Interval
from involbench.reporting.plots.words import percent
from involbench.reporting.style import LineStyle

_LOG_SCALE_FROM = 10
"""Where values span this factor, those at one end would lie on each other on a linear scale."""


class Point(NamedTuple):
    """Something measured at a place or a price."""

    x: float
    y: float
    """The mean, a fraction where it is an accuracy."""
    interval: Interval = None
    """Of the mean: its lower and upper end."""


def draw_point(axes: Axes, point: Point, style: LineStyle, label: str = "") -> None:
    """A marker, with a bar from one end of the interval to the other."""
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
    """A figure of one panel over which a fraction is drawn, in percent."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.yaxis.set_major_formatter(percent())
    axes.set_ylabel(f"{quantity} (%)")
    return figure, axes


def is_wide(values: list[float]) -> bool:
    """Whether a logarithmic scale shows these values better."""
    return bool(values) and min(values) > 1e-12 and max(values) >= _LOG_SCALE_FROM * min(values)
