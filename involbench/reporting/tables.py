"""A comparison as tables for the terminal, 80 columns wide."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from involbench.analysis.comparison import Comparison
from involbench.reporting.tables_text import (
    RESULT_COLUMNS,
    SIZE_COLUMNS,
    notes,
    result_cells,
    side_by_side,
    size_cells,
)


def comparison_view(comparison: Comparison, plots: Sequence[Path] = ()) -> Iterator[RenderableType]:
    """What `compare` prints of one experiment: results, parameters by role, notes, plots."""
    yield Text(comparison.experiment, style="bold")
    for heading, results in side_by_side(comparison):
        if heading:
            yield Text(heading, style="italic")
        rows = [result_cells(result, comparison.baseline) for result in results]
        yield numbers_table(RESULT_COLUMNS, rows)
        yield Text()
        yield numbers_table(SIZE_COLUMNS, [size_cells(result) for result in results])
        yield Text()
    yield from map(Text, notes(comparison))
    yield from (Text(f"Plot: {path}", overflow="fold", no_wrap=True) for path in plots)


def numbers_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """The first column holds names and may fold; numbers are never broken."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1), header_style="bold")
    table.add_column(columns[0], overflow="fold", min_width=5)
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    for name, *cells in rows:
        table.add_row(Text(name), *cells)
    return table
