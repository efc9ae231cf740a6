"""Sections on the models: training curves, test accuracy, parameters."""

from collections.abc import Iterator, Mapping, Sequence

from involbench.comparison.curves import data_of, interval_of_mean
from involbench.comparison.metrics import ACCURACY, SIZE
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import Curve, Front, ModelResult, ParameterCounts
from involbench.comparison.validity import validated_on
from involbench.reporting.experiment import LINE_ENDS, curves_of
from involbench.reporting.html.data import Chart, ReportData, ReportSection
from involbench.reporting.html.interactive import (
    front_panel,
    parameters_panel,
    seeds_panel,
    sweep_panel,
    training_panels,
)
from involbench.reporting.plots import (
    MOST_DOTS,
    Point,
    plot_experiment,
    plot_front,
    plot_parameters,
    plot_seeds,
    plot_sweep,
)
from involbench.reporting.plots.history import LABELS, METRICS, panels_of
from involbench.reporting.tables import Column, Rows, Table, Unit, percents
from involbench.reporting.tables.cells import label, own_point
from involbench.results.record import ROLES, History
from involbench.statistics.estimates import mean_curve
from involbench.text import coordinates

_MOST_CELLS = 2000
_SAYS = "Each thin line is one seed; the thick line is the mean."
_UNITS = {"accuracy": "accuracy, %", "loss": "cross-entropy loss, nats"}


def training(report: ReportData) -> ReportSection | None:
    """A chart for each metric and sweep point; None if no run has a history."""
    charts: list[Chart] = []
    for place, (heading, results) in enumerate(report.places()):
        histories = {
            name: report.histories.get(label(each.model, each.point), {})
            for name, each in results.items()
        }
        if any(histories.values()):
            curves, lines = curves_of(results, histories)
            styles = report.styles(lines)
            owners = {f"{name}{end}": results[name] for name in results for end in LINE_ENDS}
            drawn = {name: list(by_seed.values()) for name, by_seed in curves.items()}
            panels = panels_of(on := validated_on([*results.values()]))
            figures = plot_experiment(
                drawn, "", report.chance, styles, stacked=True, validated_on=on
            )
            for metric, figure in figures.items():
                title = f"{metric.capitalize()} while training" + (f", {heading}" * bool(heading))
                name = f"{metric}-{place}"
                table = _table(metric, title, histories, curves, panels)
                drawn_by_script = training_panels(
                    metric, LABELS[metric], panels, curves, owners, styles, report.chance
                )
                charts.append(Chart(name, title, _SAYS, figure, (table,), drawn_by_script))
    return ReportSection("training", "Training", (), tuple(charts)) if charts else None


Named = Mapping[str, Mapping[int, History]]
"""Name -> seed -> history."""


def _table(
    metric: str, title: str, histories: Named, lines: Named, panels: Mapping[str, str]
) -> Table:
    """The values of each seed, or only the mean of each line if the table would be too large."""
    columns = dict(_columns(metric, histories, panels, means=False))
    epochs = max((len(values) for values in columns.values()), default=0)
    caption = f"{title}: {_UNITS[metric]}"
    if epochs * len(columns) > _MOST_CELLS:
        columns = dict(_columns(metric, lines, panels, means=True))
        caption += "; means over seeds (history.csv in each run folder has every value)"
    rows: Rows = [
        (epoch + 1, *(v[epoch] if epoch < len(v) else "" for v in columns.values()))
        for epoch in range(epochs)
    ]
    unit: Unit = "percent" if metric == METRICS[0] else "4"
    return Table(["epoch", *(Column(name, unit) for name in columns)], rows, caption)


def _columns(
    metric: str, histories: Named, panels: Mapping[str, str], means: bool
) -> Iterator[tuple[str, Sequence[float | None]]]:
    """The title and the values of each seed, or of the mean over seeds."""
    for name, seeds in histories.items():
        if means:
            for part, prefix in panels.items():
                curves = (history.get(prefix + metric, []) for history in seeds.values())
                if values := mean_curve(curves):
                    yield f"{name} {part}, mean", values
        else:
            for seed, history in seeds.items():
                for part, prefix in panels.items():
                    if curve := history.get(prefix + metric):
                        yield f"{name} seed {seed} {part}", curve


def sizes(report: ReportData) -> ReportSection | None:
    """A chart of parameter counts; None if no run has them."""
    found: dict[str, tuple[str, ParameterCounts]] = {}
    for each in report.drawn.models:
        if each.parameters is None:
            continue
        name = label(each.model, own_point(each))
        if name in found and found[name][1] != each.parameters:
            name = label(each.model, each.point)
        found.setdefault(name, (each.model, each.parameters))
    if not found:
        return None
    models = {name: model for name, (model, _) in found.items()}
    styles = report.styles([*models.items()])
    by_role = {
        name: dict(zip(map(str, ROLES), _by_role(counts), strict=True))
        for name, (_, counts) in found.items()
    }
    chart = Chart(
        "parameters",
        "Trainable parameters by role",
        "Operator: the layers that differ between the models, such as convolution or "
        "involution. Head: the dense layers at the end. The scale is logarithmic.",
        plot_parameters(by_role, styles),
        (_parameters_table({name: counts for name, (_, counts) in found.items()}),),
        (parameters_panel(by_role, models, styles),),
    )
    return ReportSection("parameters", "Parameters", (), (chart,))


def _by_role(counts: ParameterCounts) -> list[int]:
    return [counts.by_role.get(role, 0) for role in ROLES]


def _parameters_table(found: dict[str, ParameterCounts]) -> Table:
    columns = ("model", *ROLES, "trainable", "not trainable", "total")
    rows: Rows = [
        (name, *_by_role(counts), counts.trainable, counts.non_trainable, counts.total)
        for name, counts in found.items()
    ]
    return Table(columns, rows, "Parameters by role; roles count trainable parameters only")


_COSTS = {
    "latency": "latency of one image (ms)",
    "litert_latency": "latency of one image in LiteRT (ms)",
    "macs": "multiply-accumulates per image",
    SIZE: "",
}


def accuracy(report: ReportData) -> ReportSection | None:
    """Charts of seeds, sweeps and Pareto fronts; None if nothing was measured."""
    charts = [*_seeds(report), *_sweeps(report), *_fronts(report)]
    return ReportSection("accuracy", "Test accuracy", (), tuple(charts)) if charts else None


def _seeds(report: ReportData) -> Iterator[Chart]:
    measured = {
        label(each.model, each.point): each
        for each in report.drawn.models
        if each.metrics[ACCURACY].n
    }
    if not measured:
        return
    values = {name: each.metrics[ACCURACY].values for name, each in measured.items()}
    means = {name: each.mean(ACCURACY) for name, each in measured.items()}
    intervals = {name: interval_of_mean(each.compared(ACCURACY)) for name, each in measured.items()}
    styles = report.styles([(name, each.model) for name, each in measured.items()])
    many = max(map(len, values.values())) > MOST_DOTS
    yield Chart(
        "seeds",
        "Test accuracy of each seed",
        "Each dot is one seed. The vertical bar is the mean of the seeds that learned. The "
        "horizontal bar below it is the 95% BCa interval of that mean, given at least three seeds."
        + f" Only the first {MOST_DOTS} seeds are drawn as dots."
        * many,
        plot_seeds(values, intervals, report.chance, styles, means=means),
        (_means_table(measured, intervals), _seeds_table(measured)),
        (seeds_panel(measured, ACCURACY, means, intervals, styles, report.chance, MOST_DOTS),),
    )


def _means_table(
    measured: dict[str, ModelResult], intervals: dict[str, tuple[float, float] | None]
) -> Table:
    rows = []
    for name, each in measured.items():
        summary, ends = each.compared(ACCURACY), intervals[name] or (None, None)
        collapsed = f"{each.n_collapsed} of {each.n_finished}"
        rows.append((name, collapsed, summary.n, summary.mean, summary.sd, *ends))
    shares = percents("mean", "standard deviation", "interval from", "to")
    return Table(
        ["model", "at chance", "other seeds", *shares],
        rows,
        "Test accuracy, %, over the seeds that learned",
    )


def _seeds_table(measured: dict[str, ModelResult]) -> Table:
    rows = [
        (
            *(name, seed, value, each.runs.get(seed, "")),
            "collapsed" if seed in each.collapsed_seeds else "",
        )
        for name, each in measured.items()
        for seed, value in each.metrics[ACCURACY].by_seed.items()
    ]
    columns = ("model", Column("seed", "index"), Column("%", "percent"), "run", "note")
    return Table(columns, rows, "Test accuracy, %, of each seed")


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
        says = "Means over the seeds that learned, with 95% BCa intervals given at least three."
        if levels:
            says += " The horizontal line is the baseline, for which this setting is not swept."
        if crossings:
            says += " A dotted line marks where a model and the baseline cross."
        figure = plot_sweep(lines, key, crossings, levels, styles)
        title = f"Test accuracy over {key}"
        models = {name: each.model for name, each in curves.items()}
        panel = sweep_panel(lines, models, key, crossings, levels, styles)
        tables = (_sweep_table(key, curves, levels),)
        yield Chart(f"sweep-{place}", title, says, figure, tables, (panel,))


def _levels(report: ReportData, key: str) -> dict[str, float]:
    """The mean of the baseline, if this setting is swept only for the other models."""
    baseline = report.drawn.baseline
    found = [each for each in report.drawn.models if each.model == baseline]
    if len(found) != 1 or key in found[0].point:
        return {}
    mean = found[0].mean(ACCURACY)
    return {} if mean is None else {found[0].model: mean}


def _sweep_table(key: str, curves: dict[str, Curve], levels: dict[str, float]) -> Table:
    rows: Rows = [
        (name, p.x, p.collapsed, p.n, p.mean, *(p.interval or (None, None)))
        for name, each in curves.items()
        for p in each.points
    ]
    rows += [(name, "any", "", "", mean, "", "") for name, mean in levels.items()]
    means = percents("mean", "interval from", "to")
    title = f"Test accuracy, %, over {key}"
    titles = ("model", Column(key, "amount"), "at chance", "other seeds")
    return Table([*titles, *means], rows, title)


def _fronts(report: ReportData) -> Iterator[Chart]:
    for place, front in enumerate(report.drawn.fronts):
        scale = 1000 if metric_called(front.cost).unit == "milliseconds" else 1
        points, models = dict[str, Point](), list[tuple[str, str]]()
        for each in report.drawn.models:
            cost, gain, name = (
                each.mean(front.cost),
                each.mean(front.gain),
                label(each.model, each.point),
            )
            of_the_data = (data_of(each), each.fingerprint) == (front.at, front.fingerprint)
            if of_the_data and cost is not None and gain is not None:
                interval = interval_of_mean(each.compared(front.gain))
                name = label(each.model, each.point)
                points[name] = Point(scale * cost, gain, interval)
                models.append((name, each.model))
        members = [label(member.model, member.point) for member in front.members]
        best = [name for name in members if name in points]
        styles = report.styles(models)
        cost_title = _COSTS.get(front.cost) or metric_called(front.cost).title
        data = coordinates(front.at)
        yield Chart(
            f"front-{place}",
            f"Test accuracy against the {metric_called(front.cost).title}"
            + f", at {data}" * bool(data),
            "Up and to the left is better. Vertical bars are 95% intervals of the mean."
            + " The dotted line joins the models that no other model beats in both."
            * (len(best) > 1),
            plot_front(points, best, cost_title, styles),
            (_front_table(front, cost_title, points, best),),
            (front_panel(points, dict(models), best, cost_title, styles),),
        )


def _front_table(front: Front, cost: str, points: dict[str, Point], best: list[str]) -> Table:
    rows = [
        (name, point.x, point.y, "yes" if name in best else "no") for name, point in points.items()
    ]
    cost_column = Column(metric_called(front.cost).title, "amount")
    columns = ("model", cost_column, Column("%", "percent"), "on the front")
    return Table(columns, rows, f"Test accuracy, %, against {cost}")
