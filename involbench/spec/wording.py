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
