"""Names and numbers in the cells of a terminal.

A word that is wider than the terminal is never broken, so that names and paths can be copied.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from involbench.text import visible


class SafeConsole(Console):
    """A console that shows control characters in texts and sends only its own styles."""

    @property
    def can_redraw(self) -> bool:
        """Whether lines can be changed later.

        Notebooks set FORCE_COLOR, which is about styles; TTY_INTERACTIVE=1 is about this.
        """
        forced = os.environ.get("TTY_INTERACTIVE") == "1"
        return self.is_interactive and (forced or self.file.isatty())

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments to print, each with its text made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


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

    Each column but the last is between its `widths` and `most` wide; a longer text moves the rest.
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

    The cells of the column with index `left` stand to its left.
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


_UNLIMITED = 10_000
"""Cells; wider than any table."""
_NARROWEST = 5
"""Cells of the names' column."""
_INDENT = 2
"""Cells before the numbers that stand below their name."""


@dataclass(frozen=True)
class TerminalTable:
    """A table of names and numbers, the narrower the less room there is.

    No word and no number is ever broken. The first column holds names, which fold between words,
    but not before the header has and the columns have moved together. Where a further word of a
    name is too long, all that follows the first word stands below the table instead, by its number.
    Where the first word is too long, the numbers stand below their name. Where there is no room
    even so, the last columns are left out, and named below the table. With `prose`, the last column
    holds sentences, which fold between words.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    prose: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        endless, room = options.update(width=_UNLIMITED), options.max_width
        table = self._table(self.columns, space=1)
        if Measurement.get(console, endless, table).maximum <= room:
            yield table
            return
        for count in range(len(self.columns), 1, -1):
            prose = self.prose and count == len(self.columns)
            some = TerminalTable(self.columns[:count], [row[:count] for row in self.rows], prose)
            beside_names = some._with_prose_in(room - some._longest_name() - 1)
            below_names = some._with_prose_in(room - _INDENT)
            left = room - beside_names._numbers(console, endless)
            if left >= some._longest_name():
                yield from beside_names._narrow(left)
                break
            if below_names._stacked_width() <= room or count == 2:
                yield from below_names._stacked()
                break
        if count < len(self.columns):
            yield WholeWords(Text(f"no room for: {', '.join(self.columns[count:])}", style="dim"))

    def _longest_name(self) -> int:
        """Cells of the longest first word of a name, which is never broken."""
        firsts = (name.partition(" ")[0] for name, *_ in self.rows)
        return max(longest_word([self.columns[0], *firsts]), _NARROWEST)

    def _with_prose_in(self, room: int) -> "TerminalTable":
        """With the last column folded into what all others but the first leave of the room."""
        if not self.prose:
            return self
        widest = longest_word([self.columns[-1], *(row[-1] for row in self.rows)])
        width = max(room - sum(w + 1 for w in self._widths()[:-1]), widest)
        return replace(self, rows=[(*row[:-1], folded(row[-1], width)) for row in self.rows])

    def _numbers(self, console: Console, endless: ConsoleOptions) -> int:
        """How many cells all columns but the first take at the least."""
        nameless = self._table(self._folded(), 0, [""] * len(self.rows))
        header = max(_NARROWEST, cell_len(self.columns[0]))
        return Measurement.get(console, endless, nameless).maximum - header

    def _narrow(self, room: int) -> RenderResult:
        names = [name for name, *_ in self.rows]
        if longest_word(names) > room:
            numbered, rests = _numbered(names)
            yield self._table(self._folded(), 0, numbered)
            yield from map(WholeWords, rests)
        else:
            yield self._table(self._folded(), space=0)

    def _stacked(self) -> Iterator[WholeWords]:
        """Each name on a line of its own, and its numbers below it."""
        lines = self._stacked_lines()
        yield WholeWords(Text(self.columns[0], style="bold"))
        yield from (WholeWords(Text(line, style="bold")) for line in next(lines))
        yield WholeWords(Text("─" * self._stacked_width()))
        for (name, *_), below in zip(self.rows, lines, strict=True):
            yield from (WholeWords(Text(line)) for line in [name, *below])

    def _stacked_lines(self) -> Iterator[list[str]]:
        """The lines of the header, then of each row, without the names."""
        widths, last = self._widths(), len(self.columns) - 2 if self.prose else -1
        for cells in [self._folded()[1:], *(row[1:] for row in self.rows)]:
            yield [" " * _INDENT + line for line in beside(cells, widths, last)]

    def _stacked_width(self) -> int:
        return _INDENT + sum(width + 1 for width in self._widths()) - 1

    def _widths(self) -> list[int]:
        columns = zip(self._folded()[1:], *(row[1:] for row in self.rows), strict=True)
        return [max(map(_width, cells)) for cells in columns]

    def _table(
        self, columns: Sequence[str], space: int, names: Sequence[str] | None = None
    ) -> Table:
        padding = (0, 0, 0, space)  # One more is the box's.
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=padding, header_style="bold")
        table.add_column(columns[0], overflow="fold", min_width=_NARROWEST)
        for place, column in enumerate(columns[1:], start=2):
            prose = self.prose and place == len(columns)
            table.add_column(column, justify="left" if prose else "right", no_wrap=True)
        for index, (name, *cells) in enumerate(self.rows):
            table.add_row(Text(names[index] if names else name), *map(Text, cells))
        return table

    def _folded(self) -> list[str]:
        """The header in as many lines as its columns' cells leave it."""
        return [
            folded(title, max(longest_word([title]), *map(_width, cells)))
            for title, *cells in zip(self.columns, *self.rows, strict=True)
        ]


def _width(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def _numbered(names: Sequence[str]) -> tuple[list[str], list[Text]]:
    """Names cut after their first word, with numbers; and what each number stands for."""
    rests = list(dict.fromkeys(rest for _, _, rest in (n.partition(" ") for n in names) if rest))
    cut = [
        f"{first} ({rests.index(rest) + 1})" if rest else first
        for first, _, rest in (name.partition(" ") for name in names)
    ]
    return cut, [Text(f" ({number}) {rest}") for number, rest in enumerate(rests, 1)]
