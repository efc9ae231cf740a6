"""Accuracy over seeds, over a swept number, and against cost."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from involbench.reporting.plots.axes import (
    Interval,
    PlotOptions,
    Point,
    counts,
    draw_point,
    is_near,
    is_wide,
    legend_below,
    own_styles,
    panel,
    percent,
    row_figure,
    say_empty,
    short,
)
from involbench.reporting.plots.settings import RC
from involbench.reporting.style import GREY, Styles

MOST_DOTS = 500
"""Dots drawn for one model; the mean is of all values."""
_LANES = (0.0, 0.05, -0.05, 0.1, -0.1)
"""Vertical offsets, so that dots of equal value do not overlap."""


def plot_seeds(
    values: Mapping[str, Sequence[float]],
    intervals: Mapping[str, Interval] | None = None,
    chance: float | None = None,
    styles: Styles | None = None,
    quantity: str = "test accuracy",
) -> Figure:
    """A row for each model: a dot for each seed, a bar at the mean, and its interval below.

    Args:
        values: Model -> the value of each seed, a fraction.
        intervals: Model -> the interval of its mean.
        chance: The value of guessing; drawn if it is near the values.
        styles: Model -> its style; default: by the order of the models.
        quantity: Name of the values.
    """
    styles, intervals = own_styles(values, styles), intervals or {}
    with rc_context(RC):
        figure, axes = row_figure(list(values), 0.62)
        for row, (name, found) in enumerate(values.items()):
            colour, _, marker = styles[name]
            dots = found[:MOST_DOTS]
            heights = [row + 0.1 + _LANES[k % len(_LANES)] for k in range(len(dots))]
            axes.plot(dots, heights, marker, color=colour, alpha=0.75, markeredgewidth=0)
            if len(found) > 1:
                mean = sum(found) / len(found)
                axes.vlines(mean, row - 0.12, row + 0.42, colors=colour, linewidth=2.2)
            if (interval := intervals.get(name)) is not None:
                axes.hlines(row + 0.36, *interval, colors=colour, linewidth=2.2)
        drawn = [value for found in values.values() for value in found]
        if chance is not None and drawn and is_near(chance, min(drawn), max(drawn)):
            axes.axvline(chance, color=GREY, linestyle=":", linewidth=1.2, zorder=0)
            at_the_foot = axes.get_xaxis_transform()
            axes.text(chance, 0.01, " chance", color=GREY, fontsize=8, transform=at_the_foot)
        axes.margins(x=0.06)
        axes.set_xlabel(f"{quantity} (%)")
        axes.xaxis.set_major_formatter(percent())
    return figure


_MOST_TICKS = 8


def plot_sweep(
    lines: Mapping[str, Sequence[Point]],
    swept: str,
    crossings: Iterable[float] = (),
    levels: Mapping[str, float] | None = None,
    styles: Styles | None = None,
    quantity: str = "test accuracy",
) -> Figure:
    """Lines of means with intervals; a dotted line where two models cross.

    Args:
        lines: Model -> its points, in order of x; y is a fraction.
        swept: Name of x.
        crossings: Values of x where the order of two models changes.
        levels: Model for which nothing is swept -> its y, drawn as a horizontal line.
        styles: Model -> its style; default: by the order of the models.
        quantity: Name of y.
    """
    levels = levels or {}
    styles = own_styles([*lines, *levels], styles)
    with rc_context(RC):
        figure, axes = panel(quantity)
        for name, points in lines.items():
            colour, dash, marker = styles[name]
            style: PlotOptions = {
                "color": colour,
                "linestyle": dash,
                "marker": marker,
                "label": short(name),
            }
            axes.plot([p.x for p in points], [p.y for p in points], linewidth=2, **style)
            for point in points:
                draw_point(axes, point, styles[name])
        for name, height in levels.items():
            colour, dash, _ = styles[name]
            axes.axhline(height, color=colour, linestyle=dash, linewidth=2, label=short(name))
        for place in crossings:
            axes.axvline(place, color=GREY, linestyle=":", linewidth=1.2)
        _scale(axes, sorted({point.x for points in lines.values() for point in points}))
        axes.set_xlabel(swept)
        legend_below(figure, axes)
    return figure


def _scale(axes: Axes, values: list[float]) -> None:
    """Put a tick at each value if there are few."""
    if not values:
        say_empty(axes)
    elif is_wide(values):
        axes.set_xscale("log")
    if 0 < len(values) <= _MOST_TICKS:
        axes.set_xticks(values)
        axes.minorticks_off()
    axes.xaxis.set_major_formatter(counts())


def plot_front(
    points: Mapping[str, Point],
    front: Sequence[str],
    cost: str,
    styles: Styles | None = None,
    gain: str = "test accuracy",
) -> Figure:
    """A point for each model, and a line along the Pareto front.

    Args:
        points: Model -> its cost and its mean gain, a fraction.
        front: The models on the Pareto front.
        cost: Name of the cost, with its unit.
        styles: Model -> its style; default: by the order of the models.
        gain: Name of the gain.
    """
    styles = own_styles(points, styles)
    with rc_context(RC):
        figure, axes = panel(gain)
        steps = sorted(points[name] for name in front)
        if len(steps) > 1:
            line: PlotOptions = {
                "color": GREY,
                "linestyle": ":",
                "linewidth": 1.4,
                "label": "Pareto front",
            }
            axes.step([p.x for p in steps], [p.y for p in steps], where="post", **line)
        for name, point in points.items():
            draw_point(axes, point, styles[name], short(name))
        if not points:
            say_empty(axes)
        axes.margins(0.1)
        if is_wide([point.x for point in points.values()]):
            axes.set_xscale("log")
            cost = f"{cost}, logarithmic"
        axes.xaxis.set_major_formatter(counts())
        axes.set_xlabel(cost)
        legend_below(figure, axes, handle=2)
    return figure
