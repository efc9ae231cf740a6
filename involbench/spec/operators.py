"""An operator as a spec gives it: a name, or a mapping with a name and arguments."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError

from involbench.registry import operators
from involbench.schema_types import normalize_name, problems_below, spelled_out, unknown_key
from involbench.text import KeyPath, describe, suggest


def _checked(value: Any) -> Any:
    """The operator, as its name alone where it has no arguments, so that equal trials are equal."""
    given = normalize_name(value, "an operator")
    known, name = operators(), given.get("name")
    if not isinstance(name, str) or name not in known:
        raise problems_below([(("name",) if value is given else (), _wrong_name(given))])
    model = known[name].arguments
    rest = {key: item for key, item in given.items() if key != "name"}
    wrong: list[tuple[KeyPath, str | PydanticCustomError]] = [
        ((key,), unknown_key(list(model.model_fields)))
        for key in rest
        if key not in model.model_fields
    ]
    try:
        checked = model.model_validate(
            {key: item for key, item in rest.items() if key in model.model_fields}
        )
    except ValidationError as error:
        wrong += [(each["loc"], each["msg"]) for each in error.errors()]
    if wrong:
        places = list(rest)
        raise problems_below(sorted(wrong, key=lambda each: _place(each[0], places)))
    values = {key: getattr(checked, key) for key in rest}
    return {"name": name, **values} if rest else name


def _place(path: KeyPath, places: Sequence[Any]) -> int:
    return places.index(path[0]) if path[0] in places else len(places)


def _wrong_name(given: dict[str, Any]) -> str:
    names, name = list(operators()), given.get("name")
    if "name" not in given:
        return f"missing; this key is required: one of {', '.join(names)}"
    if not isinstance(name, str):
        return f"expected one of {', '.join(names)}, got {describe(name)}"
    return f"unknown operator {name!r}; {suggest(name, names)}"


def channel_faults(operator: str | Mapping[str, Any], channels: Sequence[int]) -> dict[str, str]:
    """The arguments of an operator that don't fit layers of so many channels, each with the reason.

    Args:
        operator: Its name, or a mapping with its name and its arguments, each valid in itself.
        channels: Of each layer, in and out.
    """
    given: Mapping[str, Any] = spelled_out(operator)
    return operators()[given["name"]].check(given, channels)


class _FromTheRegistry:
    """Writes the JSON Schema when it is asked, so that operators registered later are in it."""

    @staticmethod
    def __get_pydantic_json_schema__(
        core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        with_arguments = [
            {
                "type": "object",
                "properties": {
                    "name": {"const": name, "description": "The operator."},
                    **_properties(name),
                },
                "required": ["name"],
                "additionalProperties": False,
            }
            for name in operators()
        ]
        return {"anyOf": [{"type": "string", "enum": list(operators())}, *with_arguments]}


def _properties(name: str) -> dict[str, Any]:
    """The schema of each argument; without a default, for an architecture may have its own."""
    about = f"Argument of the layer for {name}; see docs/models.md."
    properties = operators()[name].arguments.model_json_schema().get("properties", {})
    return {
        key: {"description": about}
        | {word: rule for word, rule in rules.items() if word not in ("default", "title")}
        for key, rules in properties.items()
    }


OperatorSpec = Annotated[
    str | dict[str, Any],
    BeforeValidator(_checked),
    _FromTheRegistry(),
    Field(
        description="What looks at the neighbourhood of each pixel: a name, or a mapping with its "
        "name and its arguments, such as {name: involution, reduction_ratio: 2}."
    ),
]
