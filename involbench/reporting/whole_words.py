"""Text for a terminal of any width, broken between words only.

A word that is wider than the terminal stands out whole: a name or a path must stay one to copy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

_GAP = 2
_NARROW = 24
"""Cells below which a text does not stand beside its name, but below it; so does a wide word."""


@dataclass(frozen=True)
class WholeWords:
    """A text, in as many lines as it needs."""

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield from whole_lines(self.text, console, options.max_width)


@dataclass(frozen=True)
class Fields:
    """Rows of short texts and a last one that may be long; all but the last are never broken.

    Args:
        rows: As many texts each.
        widths: The least width of each column but the last.
        most: The greatest; a longer text moves what follows it.
    """

    rows: Sequence[Sequence[Text]]
    widths: Sequence[int]
    most: int = 40

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        columns = zip(*(row[:-1] for row in self.rows), strict=True)
        widths = [
            max(least, min(max(cell.cell_len for cell in column), self.most))
            for least, column in zip(self.widths, columns, strict=True)
        ]
        left = sum(widths) + _GAP * len(widths)
        room = options.max_width - left
        for *names, last in self.rows:
            beside = room >= max(longest_word([last.plain]), _NARROW)
            indent = left if beside else 2 * _GAP
            lines = list(whole_lines(last, console, options.max_width - indent))
            head = Text()
            for name, width in zip(names, widths, strict=True):
                head.append(name).append(" " * (max(width - name.cell_len, 0) + _GAP))
            if beside:
                head.append(lines.pop(0) if lines else "")
            if head.plain.strip():
                head.rstrip()
                yield _whole(head)
            yield from (_whole(Text(" " * indent).append(line)) for line in lines)


def whole_lines(text: Text, console: Console, width: int) -> Iterator[Text]:
    """The lines of a text that is broken between words only."""
    text.overflow = "ignore"
    for line in text.wrap(console, max(width, 1)):
        yield _whole(line)


def folded(text: str, width: int) -> str:
    """The same for plain text that goes into a cell of a table."""
    lines = wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def longest_word(texts: Sequence[str]) -> int:
    """The cells of the longest one; 0 where there is none."""
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def beside(cells: Sequence[str], widths: Sequence[int], left: int = -1) -> Iterator[str]:
    """Cells of one or more lines as lines of text, to the right of their columns.

    Args:
        cells: The cells of a row.
        widths: Of the columns.
        left: The index of the column that stands to the left; none by default.
    """
    for parts in zip_longest(*(cell.split("\n") for cell in cells), fillvalue=""):
        padded = []
        for index, (part, width) in enumerate(zip(parts, widths, strict=True)):
            space = " " * (width - cell_len(part))
            padded.append(part + space if index == left else space + part)
        yield " ".join(padded).rstrip()


def _whole(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ignore"
    return line
