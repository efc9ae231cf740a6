"""Setting keys in the text of a spec, so that its comments and the rest of its text stay.

The new value is written where the old one stands, or behind the last key of its mapping. Whatever
was written is read again: where the text does not say what it should, as with an alias, the
mapping around it is written anew, and in the end the whole file below its first comment.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import takewhile
from math import inf
from typing import Any

import yaml

from involbench.spec.overrides import assigned
from involbench.spec.yaml import NotYaml, SpecLoader, parse
from involbench.text import KeyPath

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
    """Writes each value so that the spec's own loader reads it as the same."""

    yaml_implicit_resolvers = SpecLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """A string; one of several lines keeps to one, with its breaks escaped."""
    style = '"' if _BREAK.search(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def with_assignments(source: str, assignments: Iterable[tuple[tuple[str, ...], Any]]) -> str:
    """The text of a spec in which keys are set, one after the other.

    Args:
        source: The text, a mapping without faults.
        assignments: Key path and new value of each; see `assigned`.

    Returns:
        A text that is read as the mapping with these values.
    """
    values = parse(source).value
    for path, value in assignments:
        values = assigned(values, path, value)
        source = _with_value(source, path, values)
    return source


def _with_value(source: str, path: tuple[str, ...], wanted: dict[str, Any]) -> str:
    """The text that says what is `wanted`, which differs from what it says only at the path."""
    for length in range(len(path), 0, -1):
        new = _written(source, path[:length], _at(wanted, path[:length]))
        if new is not None and _says(new, wanted):
            return new
    return _anew(source, wanted)


def _says(text: str, wanted: dict[str, Any]) -> bool:
    try:
        found = parse(text)
    except NotYaml:
        return False
    return not found.problems and found.value == wanted


def _written(source: str, path: tuple[str, ...], value: Any) -> str | None:
    """The text with a value at a path; None where there is no mapping to put it into."""
    root = yaml.compose(source, SpecLoader)
    mapping = root
    for part in path[:-1]:
        mapping = dict(_items(mapping)).get(part, (None, None))[1]
    if not isinstance(mapping, yaml.MappingNode):
        return None
    ends = _Ends(source)
    known = dict(_items(mapping)).get(path[-1])
    if known is None:
        return _inserted(source, mapping, path[-1], value, ends)
    key, old = known
    colon = _COLON.match(source, key.end_mark.index)
    if colon is None:
        return None
    if alias := _ALIAS.match(source, colon.end()):  # Its node is the one that it stands for.
        between, end = "", alias.end()
    else:
        between = source[colon.end() : old.start_mark.index].rstrip()
        end = max(colon.end(), ends.before(old.end_mark.index))
    return f"{source[: colon.end()]} {_flow(value)}{between}{source[end:]}"


def _inserted(
    source: str, mapping: yaml.MappingNode, key: str, value: Any, ends: "_Ends"
) -> str | None:
    """The text with one key more behind the others of a mapping."""
    line = f"{_flow(key)}: {_flow(value)}"
    if not mapping.value:
        place = mapping.start_mark.index + 1
        return f"{source[:place]}{line}{source[place:]}"
    place = ends.before(mapping.end_mark.index - bool(mapping.flow_style))
    if mapping.flow_style:
        return f"{source[:place]}, {line}{source[place:]}"
    found = _BREAK.search(source, place)
    place = found.start() if found else len(source)
    first = mapping.value[0][0].start_mark
    indent = source[first.index - first.column : first.index]
    newline = (_BREAK.search(source) or ["\n"])[0]
    return f"{source[:place]}{newline}{indent}{line}{source[place:]}"


class _Ends:
    """Where values end, without the comments that follow them."""

    def __init__(self, source: str) -> None:
        tokens = [token for token in yaml.scan(source, SpecLoader) if isinstance(token, _CONTENT)]
        self._ends = [_end(token, source) for token in tokens]

    def before(self, last: int) -> int:
        """The end of the last token that ends there or before."""
        place = bisect_right(self._ends, last)
        return self._ends[place - 1] if place else last


def _end(token: yaml.Token, source: str) -> int:
    """A block scalar ends with its last line, not with the empty ones below."""
    end: int = token.end_mark.index
    is_block = isinstance(token, yaml.ScalarToken) and token.style in ("|", ">")
    return len(source[:end].rstrip()) if is_block else end


def _items(node: yaml.Node | None) -> list[tuple[str, tuple[yaml.Node, yaml.Node]]]:
    """The entries of a mapping by their keys; none of anything else."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(key.value, (key, value)) for key, value in node.value if _is_scalar(key)]


def _is_scalar(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)


def _at(values: Any, path: KeyPath) -> Any:
    for part in path:
        values = values[part]
    return values


def _flow(value: Any) -> str:
    """A value on one line, as it can stand inside a flow mapping, too."""
    text: str = yaml.dump([value], Dumper=_Dumper, **_STYLE, default_flow_style=True)
    return text.strip()[1:-1]


def _anew(source: str, wanted: dict[str, Any]) -> str:
    """The whole, below the comment that the text begins with."""
    lines = source.splitlines(keepends=True)
    head = "".join(takewhile(lambda line: line.startswith("#") or not line.strip(), lines))
    whole: str = yaml.dump(wanted, Dumper=_Dumper, **_STYLE, default_flow_style=None)
    return head + whole


_STYLE: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": inf}
