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
_NARROWEST = 5
"""Cells of the names' column."""
_WORD = 12
"""Cells that the first word of a name gets before numbers do."""


@dataclass(frozen=True)
class NumbersTable:
    """A table of names and numbers, the narrower the less room there is.

    The first column holds names and may fold, but not before the header has and the columns have
    moved together. Where a word of a name would break, all that follows its first word stands below
    the table instead, by its number. Numbers are never broken: where there is no room for them, the
    last columns are left out, and named below the table.

    Args:
        columns: The header.
        rows: A name and as many cells as there are further columns, each.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        endless, room = options.update(width=_UNLIMITED), options.max_width
        table = self._table(self.columns, space=1)
        if Measurement.get(console, endless, table).maximum <= room:
            yield table
            return
        words = [name.split()[0] for name, *_ in self.rows if name.split()]
        least = min(max(map(cell_len, words), default=0), _WORD)
        count = len(self.columns)
        while (left := room - self._first(count)._numbers(console, endless)) < least and count > 2:
            count -= 1
        yield from self._first(count)._narrow(left)
        if count < len(self.columns):
            yield Text(f"no room for: {', '.join(self.columns[count:])}", style="dim")

    def _first(self, count: int) -> "NumbersTable":
        return NumbersTable(self.columns[:count], [row[:count] for row in self.rows])

    def _numbers(self, console: Console, endless: ConsoleOptions) -> int:
        """How many cells all columns but the first take at the least."""
        nameless = self._table(self._folded(), 0, [""] * len(self.rows))
        header = max(_NARROWEST, cell_len(self.columns[0]))
        return Measurement.get(console, endless, nameless).maximum - header

    def _narrow(self, room: int) -> RenderResult:
        names = [name for name, *_ in self.rows]
        if any(cell_len(word) > room for name in names for word in name.split()[1:]):
            numbered, rests = _numbered(names)
            yield self._table(self._folded(), 0, numbered)
            yield from rests
        else:
            yield self._table(self._folded(), space=0)

    def _table(
        self, columns: Sequence[str], space: int, names: Sequence[str] | None = None
    ) -> Table:
        padding = (0, 0, 0, space)  # One more is the box's.
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=padding, header_style="bold")
        table.add_column(columns[0], overflow="fold", min_width=_NARROWEST)
        for column in columns[1:]:
            table.add_column(column, justify="right", no_wrap=True)
        for index, (name, *cells) in enumerate(self.rows):
            table.add_row(Text(names[index] if names else name), *map(Text, cells))
        return table

    def _folded(self) -> list[str]:
        """The header in as many lines as its columns' cells leave it."""
        folded = []
        for title, *cells in zip(self.columns, *self.rows, strict=True):
            width = max(map(cell_len, [*cells, *title.split()]), default=0)
            folded.append("\n".join(wrap(title, max(width, 1))))
        return folded


def _numbered(names: Sequence[str]) -> tuple[list[str], list[Text]]:
    """Names cut after their first word, with numbers; and what each number stands for."""
    rests = list(dict.fromkeys(rest for _, _, rest in (n.partition(" ") for n in names) if rest))
    cut = [
        f"{first} ({rests.index(rest) + 1})" if rest else first
        for first, _, rest in (name.partition(" ") for name in names)
    ]
    return cut, [Text(f" ({number}) {rest}") for number, rest in enumerate(rests, 1)]
