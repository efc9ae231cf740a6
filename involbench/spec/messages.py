"""What pydantic finds wrong, in the words of someone who writes YAML."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from involbench.spec.architectures import architecture_specs, wrong_name
from involbench.spec.data import only_for_datasets
from involbench.spec.schema import ExperimentSpec, keys_of
from involbench.spec.yaml import Problem
from involbench.text import KeyPath, describe, dotted, nearest, shared, suggest

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
_UNQUOTED = ("int_type", "float_type", "bool_type")
_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?|true|false")


def problems_of(error: ValidationError) -> list[Problem]:
    """The problems of an `ExperimentSpec` that was not valid, with the key paths of the file."""
    # A list may be too short only without its entries that are wrong, each named already.
    return [
        _problem(each)
        for each in error.errors(include_url=False)
        if each["type"] != "too_short" or len(each["input"]) < each["ctx"]["min_length"]
    ]


def _problem(details: ErrorDetails) -> Problem:
    path: KeyPath = details["loc"]
    tag = None
    if path[:1] == ("models",) and len(path) > 2 and path[2] in architecture_specs():
        # pydantic puts the architecture behind the name of the model.
        path, tag = (*path[:2], *path[3:]), str(path[2])
    if path[-1:] == ("[key]",):
        return Problem(path[:-1], _expected(details), at_key=True)
    kind = details["type"]
    if kind in ("extra_forbidden", "unknown_key"):
        known = details["ctx"]["known"] if kind == "unknown_key" else _known(path, tag)
        return Problem(path, _unknown_key(path, tag, known), at_key=True)
    if kind == "spec":
        return Problem(path, details["msg"])
    if kind == "missing":
        return Problem(path, "missing; this key is required")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        names = list(architecture_specs())
        text = wrong_name("architecture", details["input"], "architecture", names)
        return Problem((*path, "architecture"), text)
    if kind == "literal_error":
        return Problem(path, _choice(details))
    return Problem(path, _expected(details))


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
    elif details["type"] in _UNQUOTED and isinstance(given, str) and _NUMBER.fullmatch(given):
        text += "; drop the quotes"
    elif details["type"] == "string_type" and isinstance(given, int | float):
        text += "; put it in quotes"
    return text


def _known(path: KeyPath, tag: str | None) -> list[str]:
    """The keys that could stand where an unknown one does."""
    around = tuple(part for part in path[:-1] if isinstance(part, str))
    if not tag and (
        keys := [str(key[-1]) for key in keys_of(ExperimentSpec) if key[:-1] == around]
    ):
        return keys
    section: type[BaseModel] = architecture_specs()[tag] if tag else ExperimentSpec
    for part in path[2 if tag else 0 : -1]:
        if isinstance(part, str):
            section = next(_models_in(section.model_fields[part].annotation))
    return [name for name in section.model_fields if name != "architecture" or not tag]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _unknown_key(path: KeyPath, tag: str | None, known: Sequence[str]) -> str:
    if tag and not known:
        return f"unknown key; {tag if len(path) == 3 else 'this operator'} has no arguments"
    name = str(path[-1])
    of_another = only_for_datasets(name) if path[:-1] == ("data",) else None
    if of_another:
        return of_another
    place = _elsewhere(path, tag, name)
    if place is None and nearest(name, known) is None:
        place = _elsewhere(path, tag, nearest(name, {str(key[-1]) for key in _all_keys(tag)}))
    return f"unknown key; {f'did you mean {place!r}?' if place else suggest(name, known)}"


def _elsewhere(path: KeyPath, tag: str | None, name: str | None) -> str | None:
    """Where a key of that name belongs, as near to an unknown key as there is one."""
    found = [key for key in _all_keys(tag) if key[-1] == name]
    found.sort(key=lambda key: (-shared(key, path), len(key)))
    if not found:
        return None
    of_model = tag is not None and found[0] in keys_of(architecture_specs()[tag])
    above = of_model and len(found[0]) < len(path) - 2  # Its name alone would seem to be here.
    return dotted((*path[:2], *found[0]) if above else found[0])


def _all_keys(tag: str | None) -> tuple[KeyPath, ...]:
    """Of a spec; and before them those of a model with that architecture, from the model on."""
    return (keys_of(architecture_specs()[tag]) if tag else ()) + keys_of(ExperimentSpec)


def _choice(details: ErrorDetails) -> str:
    given = details["input"]
    names = re.findall(r"'([^']*)'", details["ctx"]["expected"])
    if isinstance(given, str) and names:
        return f"unknown {given!r}; {suggest(given, names)}"
    return f"expected {details['ctx']['expected'].replace(chr(39), '')}, got {describe(given)}"
