"""Models compared: accuracy over seeds, settings and cost; parameters; times."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, log10
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes

from involbench.reporting.plots.axes import (
    Interval,
    PlotOptions,
    Point,
    count_ticks,
    draw_point,
    is_near,
    is_wide,
    legend_below,
    own_styles,
    panel,
    percent_ticks,
    row_figure,
    say_empty,
    short,
)
from involbench.reporting.plots.figure import GREY, RC, Figure, LineStyle, Styles

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
    means: Mapping[str, float | None] | None = None,
) -> Figure:
    """A row for each model: a dot for each seed, a bar at the mean, and its interval below.

    Args:
        values: Model -> the value of each seed, a fraction.
        intervals: Model -> the interval of its mean.
        chance: The value of guessing; drawn if it is near the values.
        styles: Model -> its style; default: by the order of the models.
        quantity: Name of the values.
        means: Model -> the place of the bar; default: the mean of all values.
    """
    styles, intervals, means = own_styles(values, styles), intervals or {}, means or {}
    with rc_context(RC):
        figure, axes = row_figure(list(values), 0.62)
        for row, (name, found) in enumerate(values.items()):
            colour, _, marker = styles[name]
            dots = found[:MOST_DOTS]
            heights = [row + 0.1 + _LANES[k % len(_LANES)] for k in range(len(dots))]
            axes.plot(dots, heights, marker, color=colour, alpha=0.75, markeredgewidth=0)
            if len(found) > 1:
                mean = means[name] if name in means else sum(found) / len(found)
                if mean is not None:
                    axes.vlines(mean, row - 0.12, row + 0.42, colors=colour, linewidth=2.2)
            if (interval := intervals.get(name)) is not None:
                axes.hlines(row + 0.36, *interval, colors=colour, linewidth=2.2)
        drawn, at_chance = [value for found in values.values() for value in found], ""
        if chance is not None and drawn and is_near(chance, min(drawn), max(drawn)):
            dotted: PlotOptions = {"color": GREY, "linestyle": ":", "linewidth": 1.2, "zorder": 0}
            for row in range(len(values)):  # Not through the names above the rows.
                axes.vlines(chance, row - 0.15, row + 0.45, **dotted)
            at_chance = f"; dotted: chance ({100 * chance:.3g}%)"
        axes.margins(x=0.06)
        axes.set_xlabel(f"{quantity} (%){at_chance}")
        axes.xaxis.set_major_formatter(percent_ticks())
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
            look = {**styles[name].options, "linewidth": 2, "label": short(name)}
            axes.plot([p.x for p in points], [p.y for p in points], **look)
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
    axes.xaxis.set_major_formatter(count_ticks())


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
            line: PlotOptions = {"color": GREY, "linestyle": ":", "linewidth": 1.4}
            x, y = [p.x for p in steps], [p.y for p in steps]
            axes.step(x, y, where="post", label="Pareto front", **line)
        for name, point in points.items():
            draw_point(axes, point, styles[name], short(name))
        if not points:
            say_empty(axes)
        axes.margins(0.1)
        if is_wide([point.x for point in points.values()]):
            axes.set_xscale("log")
            cost = f"{cost}, logarithmic"
        axes.xaxis.set_major_formatter(count_ticks())
        axes.set_xlabel(cost)
        legend_below(figure, axes, handle=2)
    return figure


def plot_parameters(
    parameters: Mapping[str, Mapping[str, int]], styles: Styles | None = None
) -> Figure:
    """A row for each model, with a line for each role that has parameters.

    The scale is logarithmic from 1 on, and has room for 0.

    Args:
        parameters: Model -> role -> how many trainable parameters it has.
        styles: Model -> its style; default: by the order of the models.
    """
    styles = own_styles(parameters, styles)
    roles = list(dict.fromkeys(r for by in parameters.values() for r, n in by.items()))
    roles = [role for role in roles if any(by.get(role) for by in parameters.values())]
    largest = max([1, *(n for by in parameters.values() for n in by.values())])
    with rc_context(RC):
        lanes = len(roles) + 1
        figure, axes = row_figure(list(parameters), 0.2 * lanes + 0.1)
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        for row, (model, by_role) in enumerate(parameters.items()):
            for lane, role in enumerate(roles, 1):
                count = float(max(by_role.get(role, 0), 0))
                height = row - 0.5 + (lane + 0.4) / lanes
                axes.hlines(height, 0, count, colors=styles[model].colour, linewidth=1.2, alpha=0.6)
                _draw_dot(axes, count, count, height, styles[model], f"{role} {count:,.0f}")
        _decades(axes, max(1, ceil(log10(largest))))
    return figure


def _draw_dot(axes: Axes, x: float, end: float, height: float, style: LineStyle, text: str) -> None:
    """A marker at x, and a text beside the end of its line."""
    axes.plot([x], [height], style.marker, color=style.colour, markersize=6)
    beside: PlotOptions = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    axes.annotate(text, (end, height), xytext=(7, 0), **beside)


def _decades(axes: Axes, decades: int) -> None:
    """Put ticks at powers of ten, and leave room for the numbers beside the dots."""
    axes.set_xlim(-0.4, 10 ** (1.5 * decades))
    axes.set_xticks([0, *(10**k for k in range(0, decades + 1, 1 + decades // 5))])
    axes.xaxis.set_major_formatter(count_ticks())
    axes.xaxis.minorticks_off()
    axes.set_xlabel("trainable parameters (logarithmic)")


class Time(NamedTuple):
    """A duration in seconds."""

    median: float
    lower_quartile: float
    upper_quartile: float


def plot_times(times: Mapping[str, Mapping[str, Time]], styles: Styles | None = None) -> Figure:
    """A row for each task, with a line for each model: the median and the quartiles.

    Args:
        times: Task -> model -> how long it takes.
        styles: Model -> its style; default: by the order of the models.
    """
    styles = own_styles(dict.fromkeys(m for by in times.values() for m in by), styles)
    with rc_context(RC):
        lanes = len(styles) + 1
        figure, axes = row_figure(list(times), 0.2 * lanes + 0.1)
        axes.set_xscale("log")
        for row, by_model in enumerate(times.values()):
            for lane, (model, time) in enumerate(by_model.items(), 1):
                median, low, high = (1000 * seconds for seconds in time)
                height = row - 0.5 + (lane + 0.4) / lanes
                axes.hlines(
                    height, low, high, colors=styles[model].colour, linewidth=2.2, alpha=0.6
                )
                text = f"{short(model, 30)} {median:.3g}"
                _draw_dot(axes, median, high, height, styles[model], text)
        ends = [1000 * end for by in times.values() for time in by.values() for end in time]
        if ends:  # Room for the names beside the dots.
            axes.set_xlim(min(ends) / 1.3, 2 * max(ends) * (max(ends) / min(ends)) ** 0.6)
        axes.xaxis.set_major_formatter(count_ticks())
        axes.set_xlabel("time (ms, logarithmic)")
    return figure
