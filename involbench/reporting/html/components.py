"""The parts of a report, before they become HTML."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from involbench.reporting.units import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Number(NamedTuple):
    """A number in a table: its printed text and its value."""

    text: str
    value: float


Cell = str | Number

MOST_ROWS = 1000
"""Rows of one table on the page."""


@dataclass(frozen=True)
class Table:
    """Rows under column titles; the first column names the row."""

    caption: str
    titles: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def truncated(self) -> "Table":
        """At most `MOST_ROWS` rows; the caption says how many are left out."""
        if len(self.rows) <= MOST_ROWS:
            return self
        cut = f"the first {MOST_ROWS:,} of {len(self.rows):,} rows"
        caption = f"{self.caption}: {cut}" if self.caption else cut.capitalize()
        return Table(caption, self.titles, self.rows[:MOST_ROWS])

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Each title, and whether there are numbers below it."""
        return [
            (title, any(isinstance(row[place], Number) for row in self.rows))
            for place, title in enumerate(self.titles)
        ]


@dataclass(frozen=True)
class Chart:
    """A figure and tables of its numbers."""

    name: str
    """An id, unique on the page: a-z, 0-9, - and _."""
    title: str
    says: str
    """What the figure shows, and how to read it."""
    figure: "Figure"
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Section:
    """A heading, text and charts."""

    name: str
    title: str
    says: tuple[str, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...] = ()
    """Collapsed, below the charts."""


def percent_cell(value: float | None) -> Cell:
    """A fraction as a percentage with two decimals."""
    return "n/a" if value is None else Number(percent(value, unit=""), value)


def plain(value: float | None) -> Cell:
    """A number with four significant digits."""
    return "n/a" if value is None else Number(f"{value:.4g}", value)


def amount(value: float) -> Number:
    """An integer with commas, or six significant digits."""
    return Number(f"{value:,.0f}" if value.is_integer() else f"{value:.6g}", value)


def count(value: int) -> Cell:
    """A whole number, with commas."""
    return Number(f"{value:,}", value)
