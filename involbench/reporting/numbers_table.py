"""Names and numbers for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_UNLIMITED = 10_000
"""Cells; wider than any table."""


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
