"""YAML text -> plain values with their places in the file.

Read as YAML 1.2 reads it, which is what editors check and what people expect: `1e-3` is a
number, while `no`, `010` and `1:30` are not a boolean, an eight and a ninety.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from typing import Any

import yaml

from involbench.errors import SpecError
from involbench.text import KeyPath, dotted

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
    """The values of one file, or of a mapping, and of the overrides."""

    name: str
    """The file as messages name it."""
    text: str
    value: dict[str, Any] = field(default_factory=dict)
    keys: dict[KeyPath, Place | str] = field(default_factory=dict)
    """Where each key stands: a place in the file, or the override or the mapping that set it."""
    values: dict[KeyPath, Place | str] = field(default_factory=dict)
    assigned: list[tuple[tuple[str, ...], Any]] = field(default_factory=list)
    """Key path and value of each key that was set on the command line, in this order."""

    def located(self, message: str, place: Place | None) -> str:
        """`message` behind the file and the place, with the quoted line below it."""
        if place is None:
            return f"{self.name}: {message}"
        return f"{self.name}:{place.line}:{place.column}: {message}{_quoted(self.text, place)}"

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Raise one `SpecError` with all problems, in the order of the file, if there are any."""
        located = [(self._place(problem), problem) for problem in problems]
        located.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]))
        messages = dict[str, tuple[str, ...]]()
        for place, problem in located:
            messages.setdefault(self._message(place, problem), problem.names)
        if not messages:
            return
        first = list(messages)[:_MOST_SHOWN]
        more = len(messages) - len(first)
        last = [f"{self.name}: {more} more problems"] if more else []
        in_full = ["\n  ".join((message, *names)) for message, names in messages.items()]
        raise SpecError("\n".join(first + last), "\n".join(in_full))

    def _place(self, problem: Problem) -> Place | str:
        """Where the problem is: its own place, else that of what is around it."""
        if problem.place:
            return problem.place
        own = self.keys if problem.at_key else self.values
        if problem.path in own:
            return own[problem.path]
        around = (problem.path[:length] for length in range(len(problem.path) - 1, 0, -1))
        nearest = next((path for path in around if path in self.keys), ())
        if not nearest:  # The first key of the file; a spec that is no file has no places.
            return min((p for p in self.keys.values() if isinstance(p, Place)), default=self.name)
        # A name that stands for a mapping, such as the optimizer's, is itself what is wrong.
        values: Any = self.value
        is_name = isinstance(reduce(getitem, nearest, values), str)
        return (self.values if is_name else self.keys)[nearest]

    def _message(self, place: Place | str, problem: Problem) -> str:
        path = dotted(problem.path)
        if isinstance(place, str):
            known = not path or place.partition(" ")[2].startswith(f"{path}=")
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
    cut = line[start : start + _QUOTE_WIDTH].rstrip()
    return f"\n  {place.line} | {cut}\n  {gutter} | {pad}^"


MAX_VALUES = 20_000
MAX_DEPTH = 20
_TOO_LARGE = (
    f"more than {MAX_VALUES} values or {MAX_DEPTH} levels, with aliases counted where they are "
    "used: too large to be an experiment"
)
_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_MARKED = frozenset("[{\"'&*!|>%@`")
"""The characters that a plain scalar cannot begin with, but `#`, `-`, `?`, `:` and what closes."""


class NotYaml(Exception):
    """The text cannot be read as one YAML document of a sane size."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.place = place


class SpecLoader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to have other resolvers
    _nodes = _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._nodes += 1
        self._depth += 1
        if self._nodes > 2 * MAX_VALUES:  # Keys count here, too.
            raise NotYaml(_TOO_LARGE)
        if self._depth > MAX_DEPTH + 1:
            raise NotYaml("nested too deeply to be an experiment")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    SpecLoader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


def _whole(text: str) -> int:
    value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if not -(2**63) <= value < 2**63:  # Which Python may not even print.
        raise ValueError
    return value


def _number(text: str) -> float:
    value = float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    if not math.isfinite(value):
        raise ValueError
    return value


_SCALARS: dict[str, tuple[str, Callable[[str], Any]]] = {
    f"{_TAG}null": ("nothing", lambda text: None),
    f"{_TAG}bool": ("true or false", lambda text: text.lower() == "true"),
    f"{_TAG}int": ("a whole number of at most 64 bits", _whole),
    f"{_TAG}float": ("a finite number", _number),
    f"{_TAG}str": ("text", str),
}


@dataclass
class Parsed:
    """What a text says, where it says it, and what is wrong with single keys and values."""

    value: Any = None
    """Mappings, lists and scalars; None where the text is empty."""
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse(text: str) -> Parsed:
    """Read one YAML document.

    Raises:
        NotYaml: The text is not YAML, or too deep or too large to be a spec.
    """
    return _built(_compose(text))


def parse_value(text: str) -> Parsed:
    """Read the value of one setting: a scalar or a flow value, to the very end of the text.

    Comments have no place there, nor have block collections: `photos #2` is that text.

    Raises:
        NotYaml: The text is not a YAML value.
    """
    plain = text.strip()
    if plain[:1] in _MARKED:
        node = _compose(text)
        rest = text[node.end_mark.index :].strip() if node else plain
        if rest:
            raise NotYaml(f"expected nothing after the value, got {rest[:40]!r}")
        return _built(node)
    with _loader(plain) as loader:
        tag = loader.resolve(yaml.ScalarNode, plain, (True, False))  # type: ignore[no-untyped-call]
        start = loader.get_mark()
    return _built(yaml.ScalarNode(tag, plain, start, start))


def _built(node: yaml.Node | None) -> Parsed:
    builder = _Builder()
    if node is not None:
        builder.parsed.value = builder.build(node, ())
    return builder.parsed


def _compose(text: str) -> yaml.Node | None:
    with _loader(text) as loader:
        node: yaml.Node | None = loader.get_single_node()
        return node


@contextmanager
def _loader(text: str) -> Iterator[SpecLoader]:
    """A loader of the text; what it finds wrong with it becomes `NotYaml`."""
    try:
        loader = SpecLoader(text)
        try:
            yield loader
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        what = error.problem or "syntax error"
        if "single document" in (error.context or ""):
            what = "several documents in one file; an experiment is one document"
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else None
        raise NotYaml(f"not valid YAML: {what}", place) from None
    except (yaml.YAMLError, ValueError) as error:
        raise NotYaml(f"not valid YAML: {' '.join(str(error).split())}") from None


class _Builder:
    """Turns nodes into values, noting places and problems on the way."""

    def __init__(self) -> None:
        self.parsed = Parsed()
        self._count = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        # An alias is built again wherever it is used, so these also stop alias bombs and cycles.
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            raise NotYaml(_TOO_LARGE)
        self.parsed.values[path] = _place(node)
        self.parsed.keys.setdefault(path, _place(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, path)
        tag = node.tag.replace(_TAG, "!!")
        self._wrong(node, path, f"the tag {tag!r} is not allowed; write the value without it")
        return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, path, "expected a key of plain text")
                continue
            if key.value == _MERGE and key.style is None:
                self._wrong(key, path, f"merge keys ({_MERGE}) are not read; write out the keys")
                continue
            below = (*path, key.value)
            if key.value in result:
                first = self.parsed.keys[below].line
                text = f"duplicate key, first given in line {first}; keep one of them"
                self._wrong(key, below, text, at_key=True)
                continue
            self.parsed.keys[below] = _place(key)
            result[key.value] = self.build(value, below)
        return result

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        what, convert = _SCALARS[node.tag]
        try:
            return convert(node.value)
        except ValueError:
            self._wrong(node, path, f"expected {what}, got {node.value[:40]}")
            return None

    def _wrong(self, node: yaml.Node, path: KeyPath, message: str, at_key: bool = False) -> None:
        self.parsed.problems.append(Problem(path, message, at_key, _place(node)))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
