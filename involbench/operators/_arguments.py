"""Types of the arguments of operators, and the check that arguments divide the channels."""

import math
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from involbench.schema_types import PositiveInt, expected, problem, spelled_out
from involbench.text import describe

Whole = Annotated[
    PositiveInt,
    expected("a whole number above 0"),
    WithJsonSchema({"type": "integer", "exclusiveMinimum": 0}),
]
Number = Annotated[float, Field(gt=0), expected("a number above 0")]
Share = Annotated[float, Field(gt=0, lt=1), expected("a number between 0 and 1")]
Switch = Annotated[bool, expected("true or false")]
Text = Annotated[str | None, expected("text"), WithJsonSchema({"type": ["string", "null"]})]


def _keras_object(value: Any) -> Any:
    """A name, or a mapping with a name and arguments that are no mappings or lists."""
    given = spelled_out(value)
    plain = (str, int, float, bool, NoneType)
    if value is None or (
        isinstance(given, dict)
        and isinstance(given.get("name"), str)
        and all(isinstance(item, plain) for item in given.values())
    ):
        return value
    raise problem(f"expected a name, or a mapping with a name and arguments, got {describe(value)}")


KerasObject = Annotated[
    Any,
    BeforeValidator(_keras_object),
    WithJsonSchema(
        {
            "type": ["string", "object", "null"],
            "properties": {"name": {"type": "string", "description": "As Keras calls it."}},
            "required": ["name"],
            "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
        }
    ),
]


def one_of(*choices: str | None) -> Any:
    """The type of an argument that is one of these."""
    names = ", ".join("null" if choice is None else choice for choice in choices)

    def check(value: Any) -> Any:
        if not any(
            value is choice or (value == choice and type(value) is str) for choice in choices
        ):
            raise problem(f"expected one of {names}, got {describe(value)}")
        return value

    return Annotated[Any, AfterValidator(check), WithJsonSchema({"enum": list(choices)})]


def divisor_faults(
    divisors: Mapping[str, int], given: Mapping[str, Any], channels: Sequence[int]
) -> dict[str, str]:
    """The arguments that must divide the channels of every layer, in and out, and don't.

    `divisors` has the arguments with their defaults, `given` those that the spec gives.
    """
    common, found = math.gcd(*channels), dict[str, str]()
    for key, default in divisors.items():
        value = given.get(key, default)
        if common % value:
            odd = next(width for width in channels if width % value)
            fits = max(d for d in range(1, min(common, value) + 1) if common % d == 0)
            what = str(value) if key in given else f"the default {value}"
            found[key] = (
                f"{what} does not divide {odd} channels; {fits} divides those of every layer"
            )
            if key not in given:
                found[key] += f": give it, as in operator: {{name: NAME, {key}: {fits}}}"
    return found


def check_odd(kernel_size: int) -> None:
    """Raise ValueError where a kernel size is even."""
    if kernel_size % 2 == 0:
        raise ValueError(f"`kernel_size` must be odd. Received: kernel_size={kernel_size}")
