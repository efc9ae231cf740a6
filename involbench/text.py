"""Helpers for messages: key paths, values, similar names and safe text."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KeyPath = tuple[str | int, ...]

_LONGEST_VALUE = 60


def dotted(path: KeyPath) -> str:
    """`("seeds", 2)` as `seeds[2]`, `("data", "path")` as `data.path`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shared(one: KeyPath, other: KeyPath) -> int:
    """The length of the common prefix of two key paths."""
    same = [a == b for a, b in zip(one, other, strict=False)]
    return same.index(False) if False in same else len(same)


def describe(value: Any) -> str:
    """Describe a value of a spec in YAML terms."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _cropped(f"the text {value!r}")
    if isinstance(value, int | float):
        return _cropped(repr(value))
    return "a mapping" if isinstance(value, dict) else "a list"


def quoted(value: Any) -> str:
    """A value of a spec as written, cropped if long."""
    is_text = isinstance(value, str | list | tuple | dict)
    return _cropped(repr(value)) if is_text else describe(value)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of `names`, if one is close."""
    return next(iter(nearest_names(name, names, 1)), None)


def nearest_names(name: str, names: Iterable[str], most: int) -> list[str]:
    """Up to `most` of `names` that are similar to `name`, the nearest first."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower()[:200], by_lower, n=most)
    return [by_lower[each] for each in found]


def suggest(name: str, names: Sequence[str]) -> str:
    """The end of a message about an unknown name: the nearest known name, or all."""
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"expected one of {', '.join(names) or 'none'}"


def _cropped(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def visible(text: str) -> str:
    """Escape control and direction characters in `text`, for example as `\\x1b`.

    Line breaks and tabs stay. Every character that Unicode does not call printable is escaped:
    C0 and C1 controls, direction marks, other invisible characters, halves of surrogate pairs.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escape(c) for c in text)


def printable(text: str) -> str:
    """`visible` text on one line."""
    return visible(" ".join(text.split()))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def excerpt(text: str, longest: int = 200) -> str:
    """`printable` text, cut to `longest` characters."""
    line = printable(text[: 4 * longest])
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def first_of(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def coordinates(point: Mapping[str, object]) -> str:
    """`data.train_size = 500, models.*.kernel_size = 3`, of a sweep point."""
    return ", ".join(f"{key} = {value}" for key, value in point.items())


def located(name: str, point: Mapping[str, object]) -> str:
    """`inn at data.train_size = 500`; only the name outside a sweep."""
    return f"{name} at {coordinates(point)}" if point else name


def seeds(count: int, of: int | None = None) -> str:
    """`1 seed`, `6 seeds`, or `3 of 6 seeds` if some are missing."""
    whole = count if of is None else of
    some = "" if whole == count else f"{count} of "
    return f"{some}{whole} seed{'' if whole == 1 else 's'}"


def seeds_of_both(count: int, other: int) -> str:
    """`6 seeds`, or `5 and 6 seeds` where one model has fewer."""
    return seeds(count) if count == other else f"{count} and {seeds(other)}"
