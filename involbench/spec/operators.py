"""The operators that an architecture's slot may hold, with their arguments.

The layers are in `involbench.layers`, which needs Keras; a test holds this table against their
signatures. What is not given has the layer's default, or the architecture's own.
"""

import math
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from involbench.spec.types import normalize_name, problems_below, spelled_out, unknown_key
from involbench.text import describe, suggest

Kind = Literal["whole", "number", "fraction", "switch", "text", "object"] | tuple[str | None, ...]
"""Whole numbers and numbers are above 0, a fraction below 1 too; text may be null; an object of
Keras is its name, or a mapping with name and arguments; else one of these."""

_INVOLUTION: dict[str, Kind] = {
    "dilation_rate": "whole",
    "groups": "whole",
    "group_channels": "whole",
    "group_layout": ("contiguous", "interleaved"),
    "reduction_ratio": "whole",
    "reduce_filters": "whole",
    "padding": ("same", "keras_io"),
    "normalization": ("batch", "layer", "group", None),
    "momentum": "fraction",
    "epsilon": "number",
    "activation": "text",
    "kernel_activation": "text",
    "use_reduce_bias": "switch",
    "use_span_bias": "switch",
    "kernel_initializer": "object",
    "bias_initializer": "object",
    "kernel_regularizer": "object",
    "bias_regularizer": "object",
    "activity_regularizer": "object",
    "kernel_constraint": "object",
    "bias_constraint": "object",
}
OPERATORS: dict[str, dict[str, Kind]] = {
    "convolution": {"dilation_rate": "whole", "groups": "whole", "use_bias": "switch"},
    "involution": _INVOLUTION,
    "depthwise": {"dilation_rate": "whole", "use_bias": "switch"},
    "local_self_attention": {"heads": "whole"},
    "outlook_attention": {"heads": "whole"},
    "none": {},
}
"""The arguments of each operator, without its size and strides, which the architecture sets."""

_DIVISORS = {
    "convolution": {"groups": 1},
    "involution": {"group_channels": 16},
    "local_self_attention": {"heads": 8},
    "outlook_attention": {"heads": 8},
}
"""The arguments that must divide the channels, with the values that the layers have for them."""
_REDUCTION_RATIO = 4
"""Of the official involution."""

_SCHEMAS: dict[str, dict[str, Any]] = {
    "whole": {"type": "integer", "exclusiveMinimum": 0},
    "number": {"type": "number", "exclusiveMinimum": 0},
    "fraction": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "switch": {"type": "boolean"},
    "text": {"type": ["string", "null"]},
    "object": {
        "type": ["string", "object", "null"],
        "properties": {"name": {"type": "string", "description": "As Keras calls it."}},
        "required": ["name"],
        "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
    },
}
_EXPECTED = {
    "whole": "a whole number above 0",
    "number": "a number above 0",
    "fraction": "a number between 0 and 1",
    "switch": "true or false",
    "text": "text",
    "object": "a name, or a mapping with a name and arguments",
}


def _checked(value: Any) -> Any:
    """The operator, as its name alone where it has no arguments, so that equal trials are equal."""
    given = normalize_name(value, "an operator")
    name = given.get("name")
    if not isinstance(name, str) or name not in OPERATORS:
        raise problems_below([(("name",) if value is given else (), _wrong_name(given))])
    taken, rest = OPERATORS[name], {key: item for key, item in given.items() if key != "name"}
    wrong = [((key,), fault) for key, item in rest.items() if (fault := _fault(key, item, taken))]
    if wrong:
        raise problems_below(wrong)
    for key, item in rest.items():  # 1 and 1.0 are the same setting, so the same trial
        rest[key] = float(item) if taken[key] == "number" else item
    return {"name": name, **rest} if rest else name


def _wrong_name(given: dict[str, Any]) -> str:
    names, name = list(OPERATORS), given.get("name")
    if "name" not in given:
        return f"missing; this key is required: one of {', '.join(names)}"
    if not isinstance(name, str):
        return f"expected one of {', '.join(names)}, got {describe(name)}"
    return f"unknown operator {name!r}; {suggest(name, names)}"


def _fault(key: Any, value: Any, taken: dict[str, Kind]) -> str | PydanticCustomError | None:
    if key not in taken:
        return unknown_key(list(taken))
    kind = taken[key]
    if isinstance(kind, tuple):
        names = ", ".join("null" if choice is None else choice for choice in kind)
        return None if value in kind else f"expected one of {names}, got {describe(value)}"
    fine = {
        "whole": type(value) is int and 0 < value < 2**31,
        "number": type(value) in (int, float) and 0 < value < float("inf"),
        "fraction": type(value) in (int, float) and 0 < value < 1,
        "switch": type(value) is bool,
        "text": value is None or isinstance(value, str),
        "object": value is None or _is_object(spelled_out(value)),
    }[kind]
    return None if fine else f"expected {_EXPECTED[kind]}, got {describe(value)}"


def channel_faults(operator: str | Mapping[str, Any], channels: Sequence[int]) -> dict[str, str]:
    """What is wrong with an operator in layers of so many channels, by argument.

    Args:
        operator: Its name, or a mapping with its name and its arguments, each valid in itself.
        channels: Of each layer, in and out.
    """
    given: Mapping[str, Any] = spelled_out(operator)
    name, common = given["name"], math.gcd(*channels)
    divisors = _DIVISORS.get(name, {})
    if name == "involution" and "groups" in given:
        if "group_channels" in given:
            return {"group_channels": "contradicts groups; leave one of them out"}
        divisors = {"groups": 1}
    found = dict[str, str]()
    for key, default in divisors.items():
        value = given.get(key, default)
        if common % value:
            odd = next(width for width in channels if width % value)
            fits = max(d for d in _divisors(common) if d <= value)
            what = str(value) if key in given else f"the default {value}"
            found[key] = (
                f"{what} does not divide {odd} channels; {fits} divides those of every layer"
            )
    fewest = min(channels)
    if name == "local_self_attention" and fewest < 2 * given.get("heads", 8):
        found["heads"] = f"expected at most {fewest // 2}, half of the {fewest} channels"
    ratio = given.get("reduction_ratio", _REDUCTION_RATIO)
    if name == "involution" and "reduce_filters" not in given and fewest < ratio:
        found["reduction_ratio"] = f"expected at most the {fewest} channels, got {ratio}"
    return found


def _divisors(number: int) -> set[int]:
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return {*small, *(number // d for d in small)}


def _is_object(value: Any) -> bool:
    """Whether it is a mapping with a name, and arguments that are no mappings or lists."""
    plain = (str, int, float, bool, NoneType)
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and all(isinstance(item, plain) for item in value.values())
    )


def _schema() -> dict[str, Any]:
    with_arguments = [
        {
            "type": "object",
            "properties": {
                "name": {"const": name, "description": "The operator."},
                **{key: _kind_schema(taken[key], name) for key in taken},
            },
            "required": ["name"],
            "additionalProperties": False,
        }
        for name, taken in OPERATORS.items()
    ]
    return {"anyOf": [{"type": "string", "enum": list(OPERATORS)}, *with_arguments]}


def _kind_schema(kind: Kind, operator: str) -> dict[str, Any]:
    rule = {"enum": list(kind)} if isinstance(kind, tuple) else _SCHEMAS[kind]
    return {"description": f"Argument of the layer for {operator}; see docs/models.md.", **rule}


OperatorSpec = Annotated[
    str | dict[str, Any],
    BeforeValidator(_checked),
    WithJsonSchema(_schema()),
    Field(
        description="What looks at the neighbourhood of each pixel: a name, or a mapping with its "
        "name and its arguments, such as {name: involution, reduction_ratio: 2}."
    ),
]
