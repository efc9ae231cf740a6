"""Tables of results, and their writers: terminal, Markdown, CSV and JSON.

All text that comes from files or names passes through here. CSV and Markdown text is made visible
and quoted here; the console of the terminal makes control characters visible.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal

from pydantic import BaseModel
from rich.console import RenderableType
from rich.text import Text

from involbench.reporting.tables.terminal import SafeConsole, TerminalTable, WholeWords
from involbench.reporting.units import percent, size
from involbench.text import visible

Unit = Literal["", "ms", "s", "MiB", "%", "bytes", "percent", "index", "amount", "4", "6"]
"""How people read the numbers of a column.

The heading names `ms`, `s`, `MiB` and `%`. `percent` is named by the title of the table. `index`
numbers a thing. `amount` is whole or has six digits; `4` and `6` are significant digits.
"""
Cell = str | int | float | None
"""Values are in seconds, bytes and fractions. None is a value that was not measured."""
Rows = list[tuple[Cell, ...]]
MISSING = "n/a"


@dataclass(frozen=True)
class Column:
    """The title of a column, the unit of its numbers, and on which side its cells stand.

    `left` is for sentences, which may fold in a narrow terminal.
    """

    title: str
    unit: Unit = ""
    align: Literal["left", "right"] = "right"

    @property
    def heading(self) -> str:
        """The title with the unit."""
        if self.unit in ("ms", "s", "MiB"):
            return f"{self.title}, {self.unit}"
        return f"{self.title} %" if self.unit == "%" else self.title

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
            case "%" | "percent":
                return percent(cell, unit="")
            case "bytes":
                return size(round(cell))
            case "index":
                return str(cell)
            case "4" | "6" if isinstance(cell, float):
                return f"{cell:.{self.unit}g}"
            case "amount" if isinstance(cell, float):
                return f"{cell:,.0f}" if cell.is_integer() else f"{cell:.6g}"
        return f"{cell:,}" if isinstance(cell, int) else short(cell)


def percents(*titles: str) -> list[Column]:
    """Columns of fractions. The title of the table says that they are in percent."""
    return [Column(title, "percent") for title in titles]


@dataclass(frozen=True)
class Table:
    """Rows of cells below titled columns. The first column names the row.

    The first `labels` columns hold words, for Markdown.
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


_FORMULA = ("=", "+", "-", "@", "\t", "\n")
"""A spreadsheet takes a cell that begins with one of these for a formula."""
_NARROWEST = 20
"""Columns. A terminal that claims to be narrower is treated as this wide."""


def terminal_text(
    parts: Iterable[RenderableType | Table | Page], plain: bool, width: int | None = None
) -> str:
    """Text for a terminal, one part below the other; plain without colours and styles."""
    console = SafeConsole(highlight=False, color_system=None if plain else "auto", width=width)
    console.width = max(console.width, _NARROWEST)
    # Captured, because rich exits with 1 if the reader of a pipe has gone.
    with console.capture() as capture:
        for part in parts:
            for each in _renderables(part) if isinstance(part, Page) else [part]:
                console.print(_renderable(each), crop=False)
    return capture.get()


def _renderable(part: RenderableType | Table) -> RenderableType:
    if isinstance(part, Table):
        return TerminalTable(part.headings, part.texts, part.columns_with_units[-1].align == "left")
    return WholeWords(part) if isinstance(part, Text) else part


def _renderables(page: Page) -> Iterator[RenderableType | Table]:
    if page.title:
        yield Text(page.title, style="bold")
    for table in page.tables:
        if table.title:
            yield Text(table.title, style="italic" if page.title else "bold")
        yield table
        yield Text()
    paragraphs = [lines for lines in page.notes if lines]
    for lines in paragraphs:
        yield from map(Text, lines)
        if lines is not paragraphs[-1]:
            yield Text()


def markdown(page: Page) -> str:
    """A heading, the tables, and the notes as a list."""
    parts = [f"### {escape(page.title)}"] if page.title else []
    for table in page.tables:
        text = markdown_table(table)
        parts.append(f"**{escape(table.title)}**\n\n{text}" if table.title else text)
    parts.append("\n".join(f"- {escape(line)}" for lines in page.notes for line in lines))
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """Words on the left, numbers on the right."""
    rule = ["---"] * table.labels + ["---:"] * (len(table.columns) - table.labels)
    lines = [table.headings, rule, *table.texts]
    return "\n".join(f"| {' | '.join(map(escape, cells))} |" for cells in lines)


def escape(text: str) -> str:
    """Text in which Markdown sees no syntax."""
    return re.sub(r"[|~*<]", r"\\\g<0>", text)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The text of a CSV file: seconds, bytes and fractions, not the units of the screen.

    None is an empty cell. A `'` stands before text that a spreadsheet would compute.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(_csv_cell, row) for row in [columns, *rows])
    return text.getvalue()


def _csv_cell(value: object) -> object:
    """Numbers stay. Text is made visible and is never a formula (OWASP: CSV injection)."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_text(document: dict[str, Any] | BaseModel) -> str:
    """One strict JSON document."""
    if isinstance(document, BaseModel):
        return document.model_dump_json(indent=2) + "\n"
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
