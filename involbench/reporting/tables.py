"""A comparison as tables for the terminal."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.comparison import Comparison
from involbench.analysis.metrics import ACCURACY
from involbench.reporting.claims import claim_sentence
from involbench.reporting.labels import heading, side_by_side
from involbench.reporting.notes import notes, verdicts
from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.tables_text import result_table, without_equal_columns
from involbench.results.paths import ResultsPath

_MOST_POINTS = 100
"""Of a sweep on one page: thousands of lines are read by nobody."""


def comparison_view(
    comparison: Comparison,
    plots: Sequence[ResultsPath] = (),
    metrics: Sequence[str] = (ACCURACY,),
    only_changed: bool = False,
) -> Iterator[RenderableType]:
    """What `compare` prints of a group of settings: a table a metric, verdicts, notes, plots."""
    yield Text(heading(comparison), style="bold")
    points = side_by_side(comparison)
    for point, results in points[:_MOST_POINTS]:
        if point:
            yield Text(point, style="italic")
        for metric in metrics:
            titles, rows = result_table(comparison, results, [metric])
            if only_changed:
                titles, rows = without_equal_columns(titles, rows)
            yield NumbersTable(titles, rows)
            yield Text()
    if more := len(points[_MOST_POINTS:]):
        yield Text(f"{more} more sweep points: --md, --csv and --json have their tables.\n")
    for said in (verdicts(comparison, metrics), map(claim_sentence, comparison.claims)):
        lines = list(map(Text, said))
        yield from [*lines, Text()] if lines else []
    yield from map(Text, notes(comparison, metrics))
    yield from (Text(f"Plot: {path}") for path in plots)
