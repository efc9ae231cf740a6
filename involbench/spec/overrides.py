"""`-S/--set KEY=VALUE`: setting keys in a raw spec, and in the text of its file.

In the text, comments and everything else stay as they are. The new value is written where the old
one stands, or behind the last key of its mapping. The result is read again. Where it does not say
what it should, as with an alias, the mapping around it is written anew, and in the end the whole
file below its first comment.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from itertools import takewhile
from math import inf
from operator import getitem
from os import PathLike
from typing import Any

import yaml

from involbench.schema_types import spelled_out
from involbench.spec.yaml import (
    MAX_DEPTH,
    Document,
    NotYaml,
    Problem,
    SpecLoader,
    parse,
    parse_value,
)
from involbench.text import KeyPath, describe, dotted

EVERY = "*"
"""Stands for the name of every model in a key path."""

_NAME_ALONE: tuple[KeyPath, ...] = (
    ("training", "optimizer"),
    ("training", "learning_rate_schedule"),
)
"""May be given as a name alone, as the operator of a model may."""


def every_path(values: dict[str, Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The path itself, or of `models.*.KEY` one for each model of a raw spec.

    Raises:
        ValueError: There is no model that it could be about.
    """
    if path[:2] != ("models", EVERY):
        return [path]
    models = values.get("models")
    if not isinstance(models, dict) or not models or len(path) < 3:
        raise ValueError(f"{'.'.join(path)}: expected models.{EVERY}.KEY and a spec with models")
    return [("models", name, *path[2:]) for name in models]


def assigned(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of `values` with `value` at `path`, with mappings made on the way where none are.

    Raises:
        ValueError: There is something at a part of the path that is no mapping.
    """
    result = dict(values)
    inner = result
    for depth, part in enumerate(path[:-1], start=1):
        below = inner.get(part)
        is_operator = depth == 3 and path[0] == "models" and part == "operator"
        if is_operator or path[:depth] in _NAME_ALONE:
            below = spelled_out(below)
        if not isinstance(below, dict | None):
            raise ValueError(f"{dotted(path[:depth])} is {describe(below)}, which has no keys")
        inner[part] = dict(below or {})
        inner = inner[part]
    inner[path[-1]] = value
    return result


def apply_overrides(
    document: Document, overrides: Sequence[str], origin: str = "--set"
) -> list[Problem]:
    """Set each override in turn on the value of the document, so that the last one wins.

    Returns what is wrong: no KEY=VALUE, a value that is not YAML, a key below a plain value. The
    messages call an override by its `origin`.
    """
    return [problem for override in overrides for problem in _apply(document, override, origin)]


def _apply(document: Document, override: str, origin: str) -> list[Problem]:
    label = f"{origin} {override}"
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        return [Problem((), "expected KEY=VALUE, such as training.epochs=2", place=label)]
    # What follows `sweep.` or `tune.` is one key, though it has dots.
    head, dot, rest = name.strip().partition(".")
    path = (head, rest) if head in ("sweep", "tune") and dot else tuple(name.strip().split("."))
    try:
        parsed = parse_value(text)
        if not all(path):
            raise ValueError(f"{name!r} is not a key path such as training.epochs")
        for each in every_path(document.value, path):
            document.value = assigned(document.value, each, parsed.value)
            document.assigned.append((each, parsed.value))
            # From now on, a problem there or below is one of the override, not of the file.
            for places in (document.keys, document.values):
                for below in [known for known in places if known[: len(each)] == each]:
                    del places[below]
                places[each] = label
                for length in range(1, len(each)):
                    places.setdefault(each[:length], label)
    except (NotYaml, ValueError) as error:
        return [Problem((), str(error), place=label)]
    return [
        Problem((*path, *found.path), found.message, found.at_key, label)
        for found in parsed.problems
    ]


_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_COLON = re.compile(r"\s*:")
_ALIAS = re.compile(r"\s*\*[^\s,\[\]{}]+")
_CONTENT = (
    yaml.ScalarToken,
    yaml.AliasToken,
    yaml.AnchorToken,
    yaml.TagToken,
    yaml.ValueToken,
    yaml.BlockEntryToken,
    yaml.FlowMappingEndToken,
    yaml.FlowSequenceEndToken,
)
"""Tokens that stand for characters of the text; the end of a block stands for none."""


class _Dumper(yaml.SafeDumper):
    """Writes each value so that `SpecLoader` reads it as the same."""

    yaml_implicit_resolvers = SpecLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(  # A string of several lines keeps to one, with its breaks escaped.
    str,
    lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style='"' if _BREAK.search(value) else None
    ),
)


def plain_value(value: Any, path: KeyPath = ()) -> Any:
    """A value of Python as YAML has it: mappings, lists, text, numbers, true, false and nothing.

    Raises:
        ValueError: It is none of these, or too deep; the message has its key path.
    """
    at = f"{dotted(path)}: " if path else ""
    if len(path) > MAX_DEPTH:
        raise ValueError(f"{dotted(path[:3])}: nested too deeply to be an experiment")
    if hasattr(value, "item") and not getattr(value, "shape", True):  # A number of NumPy.
        value = value.item()
    match value:
        case bool() | None:
            return value
        case str():
            return str.__str__(value)  # Not of a subclass, which no YAML is for.
        case int():
            return int(value)
        case float():
            return float(value)
        case Mapping():
            if wrong := [key for key in value if not isinstance(key, str)]:
                raise ValueError(f"{at}expected keys that are text, got {wrong[0]!r}")
            return {key: plain_value(below, (*path, key)) for key, below in value.items()}
        case list() | tuple() | range():
            return [plain_value(item, (*path, index)) for index, item in enumerate(value)]
        case PathLike():
            return str(value)
    name = type(value).__name__
    raise ValueError(f"{at}expected text, a number, a list or a mapping, got an object of {name}")


def as_yaml(values: dict[str, Any]) -> str:
    """The text of a YAML file that is read as these values."""
    text: str = yaml.dump(values, Dumper=_Dumper, **_STYLE, default_flow_style=None)
    return text


def with_assignments(source: str, assignments: Iterable[tuple[tuple[str, ...], Any]]) -> str:
    """The text of a spec, without faults, in which values are set at key paths one by one."""
    values = parse(source).value
    for path, value in assignments:
        values = assigned(values, path, value)
        source = _with_value(source, path, values)
    return source


def _with_value(source: str, path: tuple[str, ...], wanted: dict[str, Any]) -> str:
    """The text that says what is `wanted`, which differs from what it says only at the path."""
    for length in range(len(path), 0, -1):
        new = _written(source, path[:length], reduce(getitem, path[:length], wanted))
        with suppress(NotYaml):
            if new is not None and (found := parse(new)).value == wanted and not found.problems:
                return new
    # The whole, below the comment that the text begins with.
    lines = source.splitlines(keepends=True)
    head = "".join(takewhile(lambda line: line.startswith("#") or not line.strip(), lines))
    return head + as_yaml(wanted)


def _written(source: str, path: tuple[str, ...], value: Any) -> str | None:
    """The text with a value at a path; None where there is no mapping to put it into."""
    root = yaml.compose(source, SpecLoader)
    mapping = root
    for part in path[:-1]:
        mapping = dict(_items(mapping)).get(part, (None, None))[1]
    if not isinstance(mapping, yaml.MappingNode):
        return None
    known = dict(_items(mapping)).get(path[-1])
    if known is None:
        return _inserted(source, mapping, path[-1], value)
    key, old = known
    colon = _COLON.match(source, key.end_mark.index)
    if colon is None:
        return None
    if alias := _ALIAS.match(source, colon.end()):  # Its node is the one that it stands for.
        between, end = "", alias.end()
    else:
        between = source[colon.end() : old.start_mark.index].rstrip()
        end = max(colon.end(), _end_before(source, old.end_mark.index))
    return f"{source[: colon.end()]} {flow_text(value)}{between}{source[end:]}"


def _inserted(source: str, mapping: yaml.MappingNode, key: str, value: Any) -> str:
    """The text with one key more behind the others of a mapping."""
    line = f"{flow_text(key)}: {flow_text(value)}"
    if not mapping.value:
        place = mapping.start_mark.index + 1
        return f"{source[:place]}{line}{source[place:]}"
    place = _end_before(source, mapping.end_mark.index - bool(mapping.flow_style))
    if mapping.flow_style:
        return f"{source[:place]}, {line}{source[place:]}"
    found = _BREAK.search(source, place)
    place = found.start() if found else len(source)
    first = mapping.value[0][0].start_mark
    indent = source[first.index - first.column : first.index]
    newline = (_BREAK.search(source) or ["\n"])[0]
    return f"{source[:place]}{newline}{indent}{line}{source[place:]}"


def _end_before(source: str, last: int) -> int:
    """The end of the last token that ends there or before, without the comments behind it."""
    found = last
    for token in yaml.scan(source, SpecLoader):
        if isinstance(token, _CONTENT):
            end: int = token.end_mark.index
            if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
                end = len(source[:end].rstrip())  # Not with the empty lines below it.
            if end > last:
                break
            found = end
    return found


def _items(node: yaml.Node | None) -> list[tuple[str, tuple[yaml.Node, yaml.Node]]]:
    """The entries of a mapping by their keys; none of anything else."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [
        (key.value, (key, value)) for key, value in node.value if isinstance(key, yaml.ScalarNode)
    ]


def flow_text(value: Any) -> str:
    """A value on one line, as it can stand inside a flow mapping, too."""
    text: str = yaml.dump([value], Dumper=_Dumper, **_STYLE, default_flow_style=True)
    return text.strip()[1:-1]


_STYLE: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": inf}
