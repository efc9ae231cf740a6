"""The numbers of the charts that the script of the page draws, as JSON.

Without scripts, and in print, the page shows the figures of `involbench.reporting.plots`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from involbench.comparison.schema import ModelResult
from involbench.reporting.plots import Bin, Point
from involbench.reporting.plots.axes import Interval, is_near, is_wide
from involbench.reporting.plots.figure import GREY, LineStyle, Styles
from involbench.reporting.plots.history import is_logarithmic
from involbench.results.record import History
from involbench.text import visible

Kind = Literal["curve", "line", "points", "steps", "guide"]
"""A thin curve of one seed, below the mean of the seeds; a line with markers; markers alone; steps;
or a dotted line that belongs to no model."""
_GUIDE = LineStyle(GREY, (0, (2, 3)), "")


@dataclass(frozen=True)
class Axis:
    """One axis of a panel."""

    label: str
    percent: bool = False
    """Whether values are fractions, shown in percent."""
    log: bool = False
    ticks: tuple[float, ...] = ()
    """Default: where the library puts them."""
    names: tuple[str, ...] = ()
    """A name for each whole number from 0 on."""


@dataclass(frozen=True)
class Line:
    """One line of a panel, or one set of points."""

    name: str
    """In the legend; the curves of one name have one mean."""
    model: str
    """Empty for a guide."""
    kind: Kind
    style: LineStyle
    x: Sequence[float]
    y: Sequence[float | None]
    intervals: Sequence[Interval] = ()
    """Of y, for each point."""
    seeds: Sequence[int] = ()
    """Of a curve, one; of points, one for each; empty for means."""
    runs: Sequence[str] = ()
    """The run of each seed."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    sideways: bool = False
    """Whether x runs downward and y to the right."""
    verticals: Sequence[float] = ()
    """Values of x with a dotted line."""

    @property
    def size(self) -> int:
        """The number of points."""
        return sum(len(line.y) for line in self.lines)

    def document(self) -> dict[str, Any]:
        """The panel for JSON: no control characters, no number that is not finite."""
        return {
            "title": visible(self.title),
            "x": _axis(self.x),
            "y": _axis(self.y),
            "sideways": self.sideways,
            "verticals": _numbers(self.verticals),
            "lines": [_line(line) for line in self.lines],
        }


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "label": visible(axis.label),
        "percent": axis.percent,
        "log": axis.log,
        "ticks": axis.ticks,
        "names": list(map(visible, axis.names)),
    }


def _line(line: Line) -> dict[str, Any]:
    dash = [] if isinstance(line.style.dash, str) else line.style.dash[1]
    ends = [each or (None, None) for each in line.intervals]
    return {
        "name": visible(line.name),
        "model": visible(line.model),
        "kind": line.kind,
        "colour": line.style.colour,
        "dash": dash,
        "marker": line.style.marker,
        "x": _numbers(line.x),
        "y": _numbers(line.y),
        "low": _numbers([low for low, _ in ends]),
        "high": _numbers([high for _, high in ends]),
        "seeds": line.seeds,
        "runs": list(map(visible, line.runs)),
    }


def _numbers(values: Sequence[float | None]) -> list[float | None]:
    """Six significant digits; None for what is not finite."""
    return [None if v is None or not isfinite(v) else float(f"{v:.6g}") for v in values]


def training_panels(
    metric: str,
    label: str,
    parts: Mapping[str, str],
    curves: Mapping[str, Mapping[int, History]],
    results: Mapping[str, ModelResult],
    styles: Styles,
    chance: float | None,
) -> tuple[Panel, ...]:
    """A panel for each part of the data: its title and the prefix of the metric.

    Args:
        metric: `accuracy` or `loss`.
        label: The metric with its unit.
        parts: Title of a panel -> prefix of the metric in the history.
        curves: Name of a line -> seed -> history.
        results: The same names -> the model and its runs.
        styles: The same names -> the style.
        chance: Drawn in a panel of accuracies whose values are near.
    """
    drawn = {
        part: [
            Line(
                *(name, results[name].model, "curve", styles[name]),
                *(range(1, len(values) + 1), values),
                seeds=[seed],
                runs=[results[name].runs[seed]],
            )
            for name, seeds in curves.items()
            for seed, history in seeds.items()
            if (values := history.get(prefix + metric, []))
        ]
        for part, prefix in parts.items()
    }
    known = [y for lines in drawn.values() for line in lines for y in line.y if y is not None]
    known = [y for y in known if isfinite(y)] or [0.0]
    low, high = min(known), max(known)
    guides = []
    if metric == "accuracy" and chance is not None and is_near(chance, low, high):
        ends = (1, max(len(line.y) for lines in drawn.values() for line in lines))
        guides = [Line("chance", "", "guide", _GUIDE, ends, (chance, chance))]
    y = Axis(label, metric == "accuracy", is_logarithmic(metric, low, high))
    return tuple(Panel(part, Axis("epoch"), y, [*guides, *lines]) for part, lines in drawn.items())


def seeds_panel(
    measured: Mapping[str, ModelResult],
    metric: str,
    means: Mapping[str, float | None],
    intervals: Mapping[str, Interval],
    styles: Styles,
    chance: float | None,
    most: int,
) -> Panel:
    """A row for each model: its first `most` seeds as points, and the mean with its interval."""
    lines = list[Line]()
    known = [value for result in measured.values() for value in result.metrics[metric].values]
    if chance is not None and is_near(chance, min(known), max(known)):
        ends = (-0.6, len(measured) - 0.4)
        lines.append(Line("chance", "", "guide", _GUIDE, ends, (chance, chance)))
    for row, (name, result) in enumerate(measured.items()):
        by_seed = [(s, v) for s, v in result.metrics[metric].by_seed.items() if v is not None]
        seeds = [seed for seed, _ in by_seed[:most]]
        spread = [row + 0.3 * (turn / max(1, len(seeds)) - 0.5) for turn in range(len(seeds))]
        points = [value for _, value in by_seed[:most]]
        runs = [result.runs.get(seed, "") for seed in seeds]
        style = styles[name]
        lines.append(
            Line(name, result.model, "points", style, spread, points, seeds=seeds, runs=runs)
        )
        if (mean := means[name]) is not None and len(by_seed) > 1:
            bar = LineStyle(style.colour, style.dash, "|")
            own, at = [intervals.get(name)], [row + 0.33]
            lines.append(Line(f"mean of {name}", result.model, "points", bar, at, [mean], own))
    rows = Axis("", names=tuple(measured))
    return Panel("", rows, Axis("test accuracy (%)", percent=True), lines, sideways=True)


def sweep_panel(
    lines: Mapping[str, Sequence[Point]],
    models: Mapping[str, str],
    key: str,
    crossings: Sequence[float],
    levels: Mapping[str, float],
    styles: Styles,
) -> Panel:
    """A line for each model over a swept key; `levels` are models without it."""
    values = sorted({point.x for points in lines.values() for point in points})
    drawn = [_points(name, models[name], "line", styles, each) for name, each in lines.items()]
    for name, height in levels.items():
        ends = (values[0], values[-1])
        drawn.append(Line(name, name, "line", styles[name], ends, (height, height)))
    x = Axis(key, log=is_wide(values), ticks=tuple(values) if len(values) <= 8 else ())
    return Panel("", x, Axis("test accuracy (%)", percent=True), drawn, verticals=crossings)


def front_panel(
    points: Mapping[str, Point],
    models: Mapping[str, str],
    front: Sequence[str],
    cost: str,
    styles: Styles,
) -> Panel:
    """A point for each model, and steps along the Pareto front."""
    steps = sorted(points[name] for name in front)
    lines = [_points(name, models[name], "points", styles, [p]) for name, p in points.items()]
    if len(steps) > 1:
        x, y = [p.x for p in steps], [p.y for p in steps]
        lines.append(Line("Pareto front", "", "steps", _GUIDE, x, y))
    log = is_wide([point.x for point in points.values()])
    return Panel("", Axis(cost, log=log), Axis("test accuracy (%)", percent=True), lines)


def calibration_panel(
    bins: Mapping[str, Sequence[Bin]], models: Mapping[str, str], styles: Styles, fewest: int = 10
) -> Panel:
    """A line for each model, of the bins with at least `fewest` images."""
    lines = [Line("perfectly calibrated", "", "guide", _GUIDE, (0, 1), (0, 1))]
    for name, own in bins.items():
        kept = [each for each in own if each.images >= fewest]
        points = [Point(each.confidence, each.accuracy) for each in kept]
        lines.append(_points(name, models[name], "line", styles, points))
    x = Axis("confidence: probability of the predicted class (%)", percent=True)
    return Panel("", x, Axis("accuracy of those images (%)", percent=True), lines)


def parameters_panel(
    by_role: Mapping[str, Mapping[str, int]], models: Mapping[str, str], styles: Styles
) -> Panel:
    """A row for each model and role that has parameters in any model; none for a count of 0."""
    used = [(name, role) for name, counts in by_role.items() for role in counts]
    used = [(name, role) for name, role in used if any(own[role] for own in by_role.values())]
    rows = [f"{name} {role} {by_role[name][role]:,}" for name, role in used]
    lines = []
    for name in by_role:
        counts = [(k, by_role[name][role]) for k, (own, role) in enumerate(used) if own == name]
        points = [Point(k, count) for k, count in counts if count]
        lines.append(_points(name, models[name], "points", styles, points))
    count = Axis("trainable parameters (logarithmic)", log=True)
    return Panel("", Axis("", names=tuple(rows)), count, lines, sideways=True)


def _points(name: str, model: str, kind: Kind, styles: Styles, points: Sequence[Point]) -> Line:
    x, y = [point.x for point in points], [point.y for point in points]
    intervals = [point.interval for point in points]
    return Line(name, model, kind, styles[name], x, y, intervals)


_MOST_POINTS = 200_000
"""On one page; charts that do not fit are pictures only."""


def chart_documents(charts: Mapping[str, Sequence[Panel]]) -> Iterator[tuple[str, list[Any]]]:
    """(name of the chart, its panels), of those that fit; the first come first."""
    room = _MOST_POINTS
    for name, panels in charts.items():
        if 0 < (size := sum(panel.size for panel in panels)) <= room:
            room -= size
            yield name, [panel.document() for panel in panels]
