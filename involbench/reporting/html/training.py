"""The training curves and the parameter counts of a report."""

from collections.abc import Iterator, Mapping

from involbench.comparison.schema import ParameterCounts
from involbench.reporting.html.components import (
    Cell,
    Chart,
    Section,
    Table,
    count,
    percent_cell,
    plain,
)
from involbench.reporting.html.data import ReportData
from involbench.reporting.plots import plot_parameters
from involbench.reporting.plots.history import METRICS, PANELS, plot_experiment
from involbench.reporting.tables.cells import label, own_point
from involbench.results.record import ROLES, History
from involbench.statistics.estimates import mean_curve

_MOST_CELLS = 4000
_SAYS = "Each thin line is one seed; the thick line is the mean."
_UNITS = {"accuracy": "accuracy, %", "loss": "cross-entropy loss, nats"}


def training(report: ReportData) -> Section | None:
    """A chart for each metric and sweep point; None if no run has a history."""
    charts: list[Chart] = []
    for place, (heading, results) in enumerate(report.places()):
        histories = {
            name: report.histories.get(label(each.model, each.point), {})
            for name, each in results.items()
        }
        if any(histories.values()):
            styles = report.styles([(name, each.model) for name, each in results.items()])
            curves = {name: list(seeds.values()) for name, seeds in histories.items() if seeds}
            figures = plot_experiment(curves, "", report.chance, styles, stacked=True)
            for metric, figure in figures.items():
                title = f"{metric.capitalize()} while training" + (f", {heading}" * bool(heading))
                name = f"{metric}-{place}"
                table = _table(metric, title, histories)
                charts.append(Chart(name, title, _SAYS, figure, (table,)))
    return Section("training", "Training", (), tuple(charts)) if charts else None


def _table(metric: str, title: str, histories: Mapping[str, Mapping[int, History]]) -> Table:
    """The values of each seed, or only their means if the table would be too large."""
    columns = dict(_columns(metric, histories))
    epochs = max((len(values) for values in columns.values()), default=0)
    caption = f"{title}: {_UNITS[metric]}"
    if epochs * len(columns) > _MOST_CELLS:
        columns = dict(_means(metric, histories))
        caption += "; means over seeds (history.csv in each run folder has every value)"
    rows = tuple(
        (count(epoch + 1), *(_cell(metric, values, epoch) for values in columns.values()))
        for epoch in range(epochs)
    )
    return Table(caption, ("epoch", *columns), rows)


def _columns(
    metric: str, histories: Mapping[str, Mapping[int, History]]
) -> Iterator[tuple[str, list[float | None]]]:
    for name, seeds in histories.items():
        for seed, history in seeds.items():
            for part, prefix in PANELS.items():
                if values := history.get(prefix + metric):
                    yield f"{name} seed {seed} {part}", values


def _means(
    metric: str, histories: Mapping[str, Mapping[int, History]]
) -> Iterator[tuple[str, list[float | None]]]:
    for name, seeds in histories.items():
        for part, prefix in PANELS.items():
            values = mean_curve(history.get(prefix + metric, []) for history in seeds.values())
            if values:
                yield f"{name} {part}, mean", values


def _cell(metric: str, values: list[float | None], epoch: int) -> Cell:
    if epoch >= len(values):
        return ""
    return percent_cell(values[epoch]) if metric == METRICS[0] else plain(values[epoch])


def sizes(report: ReportData) -> Section | None:
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
    styles = report.styles([(name, model) for name, (model, _) in found.items()])
    by_role = {
        name: {str(role): counts.by_role.get(role, 0) for role in ROLES}
        for name, (_, counts) in found.items()
    }
    chart = Chart(
        "parameters",
        "Trainable parameters by role",
        "Operator: the layers that differ between the models, such as convolution or "
        "involution. Head: the dense layers at the end. The scale is logarithmic.",
        plot_parameters(by_role, styles),
        (_parameters_table({name: counts for name, (_, counts) in found.items()}),),
    )
    return Section("parameters", "Parameters", (), (chart,))


def _parameters_table(found: dict[str, ParameterCounts]) -> Table:
    titles = ("model", *ROLES, "trainable", "not trainable", "total")
    rows = tuple(
        (
            name,
            *(count(counts.by_role.get(role, 0)) for role in ROLES),
            *map(count, (counts.trainable, counts.non_trainable, counts.total)),
        )
        for name, counts in found.items()
    )
    return Table("Parameters by role; roles count trainable parameters only", titles, rows)
