"""A table, and a page of tables: what to print, apart from how it is printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from involbench.reporting.units import percent, size

Unit = Literal["", "ms", "s", "MiB", "%", "bytes"]
Cell = str | int | float | None
"""Values are in seconds, bytes and fractions. None is a value that was not measured."""
MISSING = "n/a"


@dataclass(frozen=True)
class Column:
    """The title of a column, the unit of its numbers, and on which side its cells stand.

    Args:
        title: Text.
        unit: The unit in which people read the numbers. The title names it, except for `bytes`,
            where each cell has a unit of its own.
        align: `left` for sentences, which may fold in a narrow terminal.
    """

    title: str
    unit: Unit = ""
    align: Literal["left", "right"] = "right"

    @property
    def heading(self) -> str:
        """The title with the unit."""
        return {"": self.title, "bytes": self.title, "%": f"{self.title} %"}.get(
            self.unit, f"{self.title}, {self.unit}"
        )

    def text(self, cell: Cell) -> str:
        """A value as people read it."""
        if cell is None:
            return MISSING
        if isinstance(cell, str):
            return cell
        match self.unit:
            case "ms":
                return milliseconds(cell)
            case "s":
                return f"{cell:.2f}"
            case "MiB":
                return short(cell / 2**20)
            case "%":
                return percent(cell, unit="")
            case "bytes":
                return size(round(cell))
        return f"{cell:,}" if isinstance(cell, int) else short(cell)


@dataclass(frozen=True)
class Table:
    """Rows of cells below titled columns. The first column names the row.

    Args:
        columns: A text is the title of a column of texts or plain numbers.
        rows: One cell for each column.
        title: Printed above the table.
        labels: How many of the first columns hold words, for Markdown.
    """

    columns: Sequence[str | Column]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    labels: int = 1

    @property
    def headings(self) -> list[str]:
        """The titles with their units."""
        return [each.heading for each in self.columns_with_units]

    @property
    def columns_with_units(self) -> list[Column]:
        """The columns, those given as text too."""
        return [each if isinstance(each, Column) else Column(each) for each in self.columns]

    @property
    def texts(self) -> list[list[str]]:
        """The cells as people read them."""
        columns = self.columns_with_units
        return [[c.text(cell) for c, cell in zip(columns, row, strict=True)] for row in self.rows]

    @property
    def has_sentences(self) -> bool:
        """Whether the last column holds sentences."""
        return self.columns_with_units[-1].align == "left"


@dataclass(frozen=True)
class Page:
    """A title, tables, and paragraphs of notes, each a list of lines."""

    tables: Sequence[Table]
    notes: Sequence[Sequence[str]] = ()
    title: str = ""


def milliseconds(seconds: float) -> str:
    """Seconds, written in milliseconds."""
    return short(1e3 * seconds)


def short(value: float) -> str:
    """A positive number with two or three digits."""
    if value < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
