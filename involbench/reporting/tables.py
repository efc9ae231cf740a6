"""A comparison as tables for the terminal, 80 columns wide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from involbench.analysis.comparison import Comparison
from involbench.analysis.metrics import ACCURACY
from involbench.reporting.claims import claim_sentence
from involbench.reporting.labels import side_by_side
from involbench.reporting.notes import notes, verdicts
from involbench.reporting.tables_text import result_table, without_equal_columns

_MOST_POINTS = 100
"""Of a sweep on one page: thousands of lines are read by nobody."""

_UNLIMITED = 10_000
"""Cells; wider than any table."""


def comparison_view(
    comparison: Comparison,
    plots: Sequence[Path] = (),
    metrics: Sequence[str] = (ACCURACY,),
    only_changed: bool = False,
) -> Iterator[RenderableType]:
    """What `compare` prints of one experiment: a table a metric, verdicts, notes, plots."""
    yield Text(comparison.experiment, style="bold")
    points = side_by_side(comparison)
    for heading, results in points[:_MOST_POINTS]:
        if heading:
            yield Text(heading, style="italic")
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
    yield from (Text(f"Plot: {path}", overflow="fold", no_wrap=True) for path in plots)


@dataclass(frozen=True)
class NumbersTable:
    """A table of names and numbers, the narrower the less room there is.

    The first column holds names and may fold, but not before the header has and the columns have
    moved together; numbers are never broken.

    Args:
        columns: The header.
        rows: A name and as many cells as there are further columns, each.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._table(self.columns, space=1)
        wanted = Measurement.get(console, options.update(width=_UNLIMITED), table).maximum
        if wanted > options.max_width:
            table = self._table(self._folded(), space=0)
        yield table

    def _table(self, columns: Sequence[str], space: int) -> Table:
        padding = (0, 0, 0, space)  # One more is the box's.
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=padding, header_style="bold")
        table.add_column(columns[0], overflow="fold", min_width=5)
        for column in columns[1:]:
            table.add_column(column, justify="right", no_wrap=True)
        for name, *cells in self.rows:
            table.add_row(Text(name), *map(Text, cells))
        return table

    def _folded(self) -> list[str]:
        """The header in as many lines as its columns' cells leave it."""
        folded = []
        for title, *cells in zip(self.columns, *self.rows, strict=True):
            width = max(map(cell_len, [*cells, *title.split()]), default=0)
            folded.append("\n".join(wrap(title, max(width, 1))))
        return folded
