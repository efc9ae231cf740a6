"""`-S/--set KEY=VALUE`, and setting one key of a raw spec."""

from collections.abc import Sequence
from typing import Any

from involbench.schema_types import spelled_out
from involbench.spec.yaml import Document, NotYaml, Problem, parse_value
from involbench.text import KeyPath, describe, dotted

EVERY = "*"
"""Stands for every model's name in a key path."""

_NAME_ALONE: tuple[KeyPath, ...] = (
    ("training", "optimizer"),
    ("training", "learning_rate_schedule"),
)
"""May be given as a name alone, as a model's operator may."""


def key_path(text: str) -> tuple[str, ...]:
    """`training.epochs` as a key path. What follows `sweep.` is one key, though it has dots.

    Raises:
        ValueError: A part is empty.
    """
    head, dot, rest = text.strip().partition(".")
    path = (head, rest) if head == "sweep" and dot else tuple(text.strip().split("."))
    if not all(path):
        raise ValueError(f"{text!r} is not a key path such as training.epochs")
    return path


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


def apply_overrides(document: Document, overrides: Sequence[str]) -> list[Problem]:
    """Set each override in turn on the document's value, so that the last one wins.

    Returns:
        The overrides that are not of the form KEY=VALUE, have a value that is not YAML, or set
        something below a value that has no keys.
    """
    return [problem for override in overrides for problem in _apply(document, override)]


def _apply(document: Document, override: str) -> list[Problem]:
    label = f"--set {override}"
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        return [Problem((), "expected KEY=VALUE, such as training.epochs=2", place=label)]
    try:
        parsed = parse_value(text)
        path = key_path(name)
        for each in every_path(document.value, path):
            document.value = assigned(document.value, each, parsed.value)
            document.assigned.append((each, parsed.value))
            _relabel(document, each, label)
    except (NotYaml, ValueError) as error:
        return [Problem((), str(error), place=label)]
    return [
        Problem((*path, *found.path), found.message, found.at_key, label)
        for found in parsed.problems
    ]


def _relabel(document: Document, path: tuple[str, ...], label: str) -> None:
    """From now on a problem at `path` or below is the override's, not the file's."""
    for places in (document.keys, document.values):
        for below in [known for known in places if known[: len(path)] == path]:
            del places[below]
        places[path] = label
        for length in range(1, len(path)):
            places.setdefault(path[:length], label)
