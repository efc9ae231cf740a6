"""Words that the messages about a spec have in common."""

import difflib
from collections.abc import Iterable, Sequence
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
    """How many parts two key paths have in common from the start."""
    same = [a == b for a, b in zip(one, other, strict=False)]
    return same.index(False) if False in same else len(same)


def describe(value: Any) -> str:
    """What a spec gave, in the words of someone who writes YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _cropped(f"the text {value!r}")
    if isinstance(value, int | float):
        return _cropped(repr(value))
    return "a mapping" if isinstance(value, dict) else "a list"


def shown(value: Any) -> str:
    """A value of a spec as it is, if it is not too long."""
    quoted = isinstance(value, str | list | tuple | dict)
    return _cropped(repr(value)) if quoted else describe(value)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` was probably meant to be."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower()[:200], by_lower, n=1)
    return by_lower[found[0]] if found else None


def suggest(name: str, names: Sequence[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"expected one of {', '.join(names)}"


def _cropped(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
