"""One experiment in two results trees, as a table for the terminal and for Markdown."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.metrics import metric as metric_called
from involbench.analysis.two_trees import Change, TreeComparison
from involbench.reporting.labels import label
from involbench.reporting.notes_on_seeds import lost_then_and_now
from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.sentences import change_sentence
from involbench.reporting.tables_markdown import markdown_table
from involbench.reporting.values import (
    BETTER,
    MISSING,
    UNDECIDED,
    WORSE,
    difference_cell,
    mean_and_spread,
)


def trees_view(compared: TreeComparison, metrics: Sequence[str]) -> Iterator[RenderableType]:
    """A table a metric: then, now, the change; a sentence for each change."""
    yield Text(_title(compared), style="bold")
    for metric in metrics:
        yield NumbersTable(*_table(compared, metric))
        yield Text()
    for line in _lines(compared, metrics):
        yield Text(line)


def trees_markdown(compared: TreeComparison, metrics: Sequence[str]) -> str:
    """The same for a pull request."""
    tables = [markdown_table(*_table(compared, metric)) for metric in metrics]
    lines = "\n".join(f"- {line}" for line in _lines(compared, metrics))
    return "\n\n".join([f"### {_title(compared)}", *tables, lines]) + "\n"


def _title(compared: TreeComparison) -> str:
    return f"{compared.experiment}, against {compared.then}"


def _table(compared: TreeComparison, name: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    titles = ("model", "seeds", f"{metric_called(name).header} then", "now", "change [95%]")
    return titles, [_row(change, name) for change in compared.models]


def _row(change: Change, name: str) -> tuple[str, ...]:
    metric, sides = metric_called(name), (change.then.get(name), change.now.get(name))
    counts = [str(side.n) if side else "0" for side in sides]
    values = [mean_and_spread(side, metric) if side else MISSING for side in sides]
    cell = difference_cell(change.changes.get(name), metric, max(map(int, counts)))
    return label(change.model, change.point), "/".join(counts), *values, cell


def _lines(compared: TreeComparison, metrics: Sequence[str]) -> list[str]:
    said = [
        change_sentence(label(change.model, change.point), change.changes[name], name)
        for name in metrics
        for change in compared.models
        if name in change.changes and change.changes[name].n
    ]
    said += [line for change in compared.models for line in lost_then_and_now(change)]
    legend = f"change = now minus then, paired by seed: {BETTER} better, {WORSE} worse, "
    return [*said, f"{legend}{UNDECIDED} no verdict."]
