"""A spec as plain values, together with the place in the file that each value came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from involbench.errors import SpecError
from involbench.spec.wording import KeyPath, dotted

_MOST_SHOWN = 50
"""Problems; `-v` shows the others too."""
_QUOTE_WIDTH = 96


@dataclass(frozen=True, order=True)
class Place:
    """A character of the file; lines and columns count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Problem:
    """Something wrong at a key path; `place` where that is not where the path leads."""

    path: KeyPath
    message: str
    at_key: bool = False
    place: Place | str | None = None
    names: tuple[str, ...] = ()
    """All that the message is about, where it names only the first of them."""


@dataclass
class Document:
    """The values of one file and of what was set on the command line."""

    shown: str
    """The file as messages name it."""
    text: str
    value: dict[str, Any] = field(default_factory=dict)
    keys: dict[KeyPath, Place | str] = field(default_factory=dict)
    """Where each key stands: a place in the file, or the override that set it."""
    values: dict[KeyPath, Place | str] = field(default_factory=dict)
    assigned: list[tuple[tuple[str, ...], Any]] = field(default_factory=list)
    """Key path and value of each key that was set on the command line, in this order."""

    def located(self, message: str, place: Place | None) -> str:
        """`message` behind the file and the place, with the quoted line below it."""
        if place is None:
            return f"{self.shown}: {message}"
        return f"{self.shown}:{place.line}:{place.column}: {message}{_quoted(self.text, place)}"

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Raise one `SpecError` with all problems, in the order of the file, if there are any."""
        located = [(self._place(problem), problem) for problem in problems]
        located.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]))
        messages = dict[str, tuple[str, ...]]()
        for place, problem in located:
            messages.setdefault(self._message(place, problem), problem.names)
        if not messages:
            return
        shown = list(messages)[:_MOST_SHOWN]
        more = len(messages) - len(shown)
        last = [f"{self.shown}: {more} more problems"] if more else []
        in_full = ["\n  ".join((message, *names)) for message, names in messages.items()]
        raise SpecError("\n".join(shown + last), "\n".join(in_full))

    def _place(self, problem: Problem) -> Place | str:
        """Where the problem is: its own place, else that of what is around it."""
        if problem.place:
            return problem.place
        own = self.keys if problem.at_key else self.values
        if problem.path in own:
            return own[problem.path]
        around = (problem.path[:length] for length in range(len(problem.path) - 1, 0, -1))
        nearest = next((path for path in around if path in self.keys), ())
        if not nearest:
            return self._start()
        # A name that stands for a mapping, such as the optimizer's, is itself what is wrong.
        return (self.values if isinstance(self._at(nearest), str) else self.keys)[nearest]

    def _at(self, path: KeyPath) -> Any:
        """The value at a path that has a place."""
        value: Any = self.value
        for part in path:
            value = value[part]
        return value

    def _start(self) -> Place:
        """The first key of the file."""
        return min((p for p in self.keys.values() if isinstance(p, Place)), default=Place(1, 1))

    def _message(self, place: Place | str, problem: Problem) -> str:
        path = dotted(problem.path)
        if isinstance(place, str):
            known = not path or place.startswith(f"--set {path}=")
            return f"{place}: {problem.message}" if known else f"{place}: {path}: {problem.message}"
        return self.located(f"{path}: {problem.message}" if path else problem.message, place)


def _quoted(text: str, place: Place) -> str:
    """The line of `text` at `place` and a caret under it, as two lines to append to a message."""
    lines = text.splitlines()
    if place.line > len(lines) or not lines[place.line - 1].strip():
        return ""
    line = lines[place.line - 1]
    start = max(0, place.column - 1 - _QUOTE_WIDTH // 2) if len(line) > _QUOTE_WIDTH else 0
    before = line[start : place.column - 1]
    pad = "".join("\t" if character == "\t" else " " for character in before)
    gutter = " " * len(str(place.line))
    shown = line[start : start + _QUOTE_WIDTH].rstrip()
    return f"\n  {place.line} | {shown}\n  {gutter} | {pad}^"
