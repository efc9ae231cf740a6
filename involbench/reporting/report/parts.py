"""What a report consists of, before it is HTML."""

from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.figure import Figure


class Number(NamedTuple):
    """A number in a table: as it is read, and as it is."""

    text: str
    value: float


Cell = str | Number


@dataclass(frozen=True)
class Table:
    """Numbers, with what they are above each column; the first column names the row."""

    caption: str
    titles: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A picture with its numbers."""

    name: str
    """Of its file, unique on the page: a-z, 0-9, - and _."""
    title: str
    says: str
    """What is drawn, and how to read it."""
    figure: Figure
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Section:
    """A heading, what there is to say, and charts."""

    name: str
    title: str
    says: tuple[str, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...] = ()
    """Folded below the charts."""


def percent(value: float | None) -> Cell:
    """A fraction in percent, with two decimals."""
    return "n/a" if value is None else Number(f"{100 * value:.2f}", value)


def plain(value: float | None, digits: int = 4) -> Cell:
    """A number with so many digits."""
    return "n/a" if value is None else Number(f"{value:.{digits}g}", value)


def count(value: int) -> Cell:
    """A whole number, with commas."""
    return Number(f"{value:,}", value)
