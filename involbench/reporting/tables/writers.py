"""The writers of tables: terminal, Markdown, CSV and JSON.

All text that comes from files or names passes through here. CSV and Markdown text is made visible
and quoted here; the console of the terminal writer makes control characters visible.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from involbench.reporting.tables.table import Page, Table
from involbench.reporting.tables.terminal import TerminalTable, WholeWords
from involbench.text import visible

_FORMULA = ("=", "+", "-", "@", "\t", "\n")
"""A spreadsheet takes a cell that begins with one of these for a formula."""
_NARROWEST = 20
"""Columns. A terminal that claims to be narrower is treated as this wide."""


class SafeConsole(Console):
    """A console that shows control characters in texts and sends only its own styles."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments to print, each with its text made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def terminal_text(
    parts: Iterable[RenderableType | Table | Page], plain: bool, width: int | None = None
) -> str:
    """Text for a terminal.

    Args:
        parts: Printed one below the other.
        plain: Without colours and styles.
        width: In cells; default: the width of the terminal, or COLUMNS.
    """
    console = SafeConsole(highlight=False, color_system=None if plain else "auto", width=width)
    console.width = max(console.width, _NARROWEST)
    # Captured, because rich exits with 1 if the reader of a pipe has gone.
    with console.capture() as capture:
        for part in parts:
            for each in _page(part) if isinstance(part, Page) else [part]:
                console.print(_renderable(each), crop=False)
    return capture.get()


def _renderable(part: RenderableType | Table) -> RenderableType:
    if isinstance(part, Table):
        return TerminalTable(part.headings, part.texts, part.has_sentences)
    return WholeWords(part) if isinstance(part, Text) else part


def _page(page: Page) -> Iterator[RenderableType | Table]:
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
