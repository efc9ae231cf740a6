"""What pydantic finds wrong, in the words of someone who writes YAML."""

import re
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from involbench.spec.architectures import ARCHITECTURES
from involbench.spec.claims import Claim, Margin
from involbench.spec.data import DataSpec
from involbench.spec.document import Problem
from involbench.spec.evaluate import EvaluateSpec
from involbench.spec.match import Match
from involbench.spec.schema import ExperimentSpec
from involbench.spec.training import TrainingSpec
from involbench.spec.wording import KeyPath, describe, nearest, suggest

_SECTIONS: dict[KeyPath, type[BaseModel]] = {
    (): ExperimentSpec,
    ("data",): DataSpec,
    ("training",): TrainingSpec,
    ("evaluate",): EvaluateSpec,
}
_LISTED: dict[KeyPath, type[BaseModel]] = {("claims",): Claim, ("claims", "by"): Margin}
"""Sections of which there are several, with the key path to them without the places in lists."""
_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_pattern_mismatch": "a plain name (a-z, 0-9, - and _, starting with a letter or digit)",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} character",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
}


def problems_of(error: ValidationError) -> list[Problem]:
    """The problems of an `ExperimentSpec` that was not valid, with the key paths of the file."""
    return [_problem(details) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails) -> Problem:
    path, tag = _untagged(details["loc"])
    if path[-1:] == ("[key]",):
        return Problem(path[:-1], _expected(details), at_key=True)
    kind = details["type"]
    if kind == "extra_forbidden":
        return Problem(path, _unknown_key(path, tag), at_key=True)
    if kind == "spec":
        return Problem(path, details["msg"], at_key="unknown key" in details["msg"])
    if kind == "missing":
        return Problem(path, "missing; this key is required")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _architecture(path, details["input"])
    if kind == "literal_error":
        return Problem(path, _choice(details))
    return Problem(path, _expected(details))


def _untagged(loc: tuple[int | str, ...]) -> tuple[KeyPath, str | None]:
    """The key path, without the architecture that pydantic puts behind a model's name."""
    if loc[:1] == ("models",) and len(loc) > 2 and loc[2] in ARCHITECTURES:
        return (*loc[:2], *loc[3:]), str(loc[2])
    return loc, None


def _expected(details: ErrorDetails) -> str:
    what = _EXPECTED.get(details["type"])
    if what is None:  # a kind of error that the schema does not produce yet
        return f"{details['msg'][:1].lower()}{details['msg'][1:]}"
    given = details["input"]
    text = f"expected {what.format(**details.get('ctx', {}))}, got {describe(given)}"
    if details["type"] in ("too_short", "string_too_short") and not given:
        text = f"empty; expected {what.format(**details.get('ctx', {}))}"
    elif given is None:
        text += "; give a value or leave the key out"
    elif _quoted_number(details["type"], given):
        text += "; drop the quotes"
    elif details["type"] == "string_type" and isinstance(given, int | float):
        text += "; put it in quotes"
    return text


def _quoted_number(kind: str, given: Any) -> bool:
    if kind not in ("int_type", "float_type", "bool_type") or not isinstance(given, str):
        return False
    return re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?|true|false", given) is not None


def _unknown_key(path: KeyPath, tag: str | None) -> str:
    key = str(path[-1])
    around = tuple(part for part in path[:-1] if isinstance(part, str))
    section = ARCHITECTURES[tag] if tag else {**_SECTIONS, **_LISTED}[around]
    if tag and len(path) > 3:  # The one mapping that architectures have.
        section = Match
    known = [name for name in section.model_fields if name != "architecture" or not tag]
    if tag and not known:
        return f"unknown key; {tag} has no arguments"
    if nearest(key, known) is None:
        for place, other in _SECTIONS.items():
            if key in other.model_fields:
                return f"unknown key; did you mean {'.'.join([*map(str, place), key])!r}?"
    return f"unknown key; {suggest(key, known)}"


def _architecture(path: KeyPath, given: Any) -> Problem:
    names = list(ARCHITECTURES)
    if "architecture" not in given:
        return Problem(
            (*path, "architecture"), f"missing; this key is required: one of {', '.join(names)}"
        )
    name = given["architecture"]
    if not isinstance(name, str):
        text = f"expected one of {', '.join(names)}, got {describe(name)}"
    else:
        text = f"unknown architecture {name!r}; {suggest(name, names)}"
    return Problem((*path, "architecture"), text)


def _choice(details: ErrorDetails) -> str:
    given, key = details["input"], details["loc"][-1]
    names = re.findall(r"'([^']*)'", details["ctx"]["expected"])
    if isinstance(given, str) and names:
        what = f"dataset {given!r}" if key == "dataset" else repr(given)
        return f"unknown {what}; {suggest(given, names)}"
    return f"expected {details['ctx']['expected'].replace(chr(39), '')}, got {describe(given)}"
