"""Test accuracy: of each seed, over swept settings, and against cost."""

from collections.abc import Iterator

from involbench.comparison.curves import data_of, interval_of_mean
from involbench.comparison.metrics import ACCURACY, SIZE
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import Curve, Front, ModelResult
from involbench.reporting.html.components import (
    Chart,
    Number,
    Section,
    Table,
    amount,
    count,
    percent_cell,
)
from involbench.reporting.html.data import ReportData
from involbench.reporting.plots import MOST_DOTS, Point, plot_front, plot_seeds, plot_sweep
from involbench.reporting.tables.cells import label
from involbench.text import coordinates

_COSTS = {
    "latency": "latency of one image (ms)",
    "litert_latency": "latency of one image in LiteRT (ms)",
    "macs": "multiply-accumulates per image",
    SIZE: "",
}


def accuracy(report: ReportData) -> Section | None:
    """Charts of seeds, sweeps and Pareto fronts; None if nothing was measured."""
    charts = [*_seeds(report), *_sweeps(report), *_fronts(report)]
    return Section("accuracy", "Test accuracy", (), tuple(charts)) if charts else None


def _seeds(report: ReportData) -> Iterator[Chart]:
    measured = {
        label(each.model, each.point): each
        for each in report.drawn.models
        if each.metrics[ACCURACY].n
    }
    if not measured:
        return
    values = {
        name: [value for value in each.metrics[ACCURACY].by_seed.values() if value is not None]
        for name, each in measured.items()
    }
    intervals = {name: interval_of_mean(each.metrics[ACCURACY]) for name, each in measured.items()}
    styles = report.styles([(name, each.model) for name, each in measured.items()])
    many = max(map(len, values.values())) > MOST_DOTS
    yield Chart(
        "seeds",
        "Test accuracy of each seed",
        "Each dot is one seed. The vertical bar is the mean. The horizontal bar below it is the "
        "95% BCa interval of the mean, given at least three seeds."
        + f" Only the first {MOST_DOTS} seeds are drawn as dots."
        * many,
        plot_seeds(values, intervals, report.chance, styles),
        (_means_table(measured, intervals), _seeds_table(measured)),
    )


def _means_table(
    measured: dict[str, ModelResult], intervals: dict[str, tuple[float, float] | None]
) -> Table:
    titles = ("model", "seeds", "mean", "standard deviation", "interval from", "to")
    rows = []
    for name, each in measured.items():
        summary, ends = each.metrics[ACCURACY], intervals[name] or (None, None)
        shares = (summary.mean, summary.sd, *ends)
        rows.append((name, count(summary.n), *map(percent_cell, shares)))
    return Table("Test accuracy, %, over seeds", titles, tuple(rows))


def _seeds_table(measured: dict[str, ModelResult]) -> Table:
    rows = tuple(
        (
            name,
            Number(str(seed), seed),
            percent_cell(value),
            each.runs.get(seed, ""),
            _note(each, seed),
        )
        for name, each in measured.items()
        for seed, value in each.metrics[ACCURACY].by_seed.items()
    )
    return Table("Test accuracy, %, of each seed", ("model", "seed", "%", "run", "note"), rows)


def _note(result: ModelResult, seed: int) -> str:
    return "collapsed" if seed in result.collapsed_seeds else ""


def _sweeps(report: ReportData) -> Iterator[Chart]:
    for place, key in enumerate(dict.fromkeys(each.key for each in report.drawn.curves)):
        curves = {
            label(each.model, each.at): each for each in report.drawn.curves if each.key == key
        }
        lines = {
            name: [Point(point.x, point.mean, point.interval) for point in each.points]
            for name, each in curves.items()
        }
        crossings = [crossing.at for each in curves.values() for crossing in each.crossings]
        levels = _levels(report, key)
        named = [(name, each.model) for name, each in curves.items()]
        styles = report.styles([*named, *((name, name) for name in levels)])
        says = "Means over seeds, with 95% BCa intervals given at least three seeds."
        if levels:
            says += " The horizontal line is the baseline, for which this setting is not swept."
        if crossings:
            says += " A dotted line marks where a model and the baseline cross."
        figure = plot_sweep(lines, key, crossings, levels, styles)
        title = f"Test accuracy over {key}"
        yield Chart(f"sweep-{place}", title, says, figure, (_sweep_table(key, curves, levels),))


def _levels(report: ReportData, key: str) -> dict[str, float]:
    """The mean of the baseline, if this setting is swept only for the other models."""
    baseline = report.drawn.baseline
    found = [each for each in report.drawn.models if each.model == baseline]
    if len(found) != 1 or key in found[0].point:
        return {}
    mean = found[0].mean(ACCURACY)
    return {} if mean is None else {found[0].model: mean}


def _sweep_table(key: str, curves: dict[str, Curve], levels: dict[str, float]) -> Table:
    rows = tuple(
        (name, amount(p.x), count(p.n), *map(percent_cell, (p.mean, *(p.interval or (None, None)))))
        for name, each in curves.items()
        for p in each.points
    )
    flat = tuple((name, "any", "", percent_cell(mean), "", "") for name, mean in levels.items())
    titles = ("model", key, "seeds", "mean", "interval from", "to")
    return Table(f"Test accuracy, %, over {key}", titles, (*rows, *flat))


def _fronts(report: ReportData) -> Iterator[Chart]:
    for place, front in enumerate(report.drawn.fronts):
        having = _beside(report, front)
        points = {name: _point(each, front) for name, each in having.items()}
        styles = report.styles([(name, each.model) for name, each in having.items()])
        members = [label(member.model, member.point) for member in front.members]
        best = [name for name in members if name in points]
        cost = _COSTS.get(front.cost) or metric_called(front.cost).title
        data = coordinates(front.at)
        yield Chart(
            f"front-{place}",
            f"Test accuracy against the {metric_called(front.cost).title}"
            + f", at {data}" * bool(data),
            "Up and to the left is better. Vertical bars are 95% intervals of the mean."
            + " The dotted line joins the models that no other model beats in both."
            * (len(best) > 1),
            plot_front(points, best, cost, styles),
            (_front_table(front, cost, points, best),),
        )


def _beside(report: ReportData, front: Front) -> dict[str, ModelResult]:
    """The models that this front compares."""
    return {
        label(each.model, each.point): each
        for each in report.drawn.models
        if (data_of(each), each.fingerprint) == (front.at, front.fingerprint)
        and each.mean(front.gain) is not None
        and each.mean(front.cost) is not None
    }


def _point(result: ModelResult, front: Front) -> Point:
    scale = 1000 if metric_called(front.cost).unit == "milliseconds" else 1
    cost, gain = result.mean(front.cost) or 0.0, result.mean(front.gain) or 0.0
    return Point(scale * cost, gain, interval_of_mean(result.metrics[front.gain]))


def _front_table(front: Front, cost: str, points: dict[str, Point], best: list[str]) -> Table:
    rows = tuple(
        (name, amount(point.x), percent_cell(point.y), "yes" if name in best else "no")
        for name, point in points.items()
    )
    caption = f"Test accuracy, %, against {cost}"
    return Table(caption, ("model", metric_called(front.cost).title, "%", "on the front"), rows)
