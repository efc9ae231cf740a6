"""Setting one key of a raw spec, as `--set` and a sweep do."""

from typing import Any

from involbench.spec.named import spelled_out
from involbench.spec.wording import KeyPath, describe, dotted

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
