"""What may be given as a name alone, in place of a mapping with a name and arguments."""

from typing import Any

from involbench.spec.section import Section, problem
from involbench.spec.wording import describe


def spelled_out(value: Any) -> Any:
    """`adam` as `{"name": "adam"}`; anything but a name as it is."""
    return {"name": value} if isinstance(value, str) else value


def named(value: Any, what: str) -> Any:
    """The same, and nothing but a mapping.

    Args:
        value: What the spec gave.
        what: It is meant to be, with its article.
    """
    given = spelled_out(value)
    if not isinstance(given, dict | Section):
        raise problem(f"expected {what}'s name or a mapping, got {describe(value)}")
    return given
