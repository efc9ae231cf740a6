"""The types and models that every part of a spec is made from."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    StringConstraints,
    TypeAdapter,
    WrapValidator,
    model_serializer,
)
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    ValidationError,
    core_schema,
)

from involbench.text import KeyPath, describe

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


Resize = Literal["stretch", "crop", "pad"]


class StrictModel(BaseModel):
    """Strict about unknown keys, immutable, and no silent conversion (`"20"` is no number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def omit_if_empty(*names: str) -> Any:
    """A member of a model, which writes these fields only where they are not empty."""

    def written(self: BaseModel, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found = handler(self)
        return {key: value for key, value in found.items() if value or key not in names}

    return model_serializer(mode="wrap")(written)


def problem(message: str) -> PydanticCustomError:
    """What a validator raises to say `message`, word for word."""
    return PydanticCustomError("spec", "{problem}", {"problem": message})


def unknown_key(known: Sequence[str]) -> PydanticCustomError:
    """What a validator raises of a key that is none of the known ones."""
    return PydanticCustomError("unknown_key", "unknown key", {"known": list(known)})


def problems_below(
    found: Sequence[tuple[KeyPath, str | PydanticCustomError]],
) -> ValidationError:
    """What a validator raises to say several things, each at a place below its own."""
    details = [
        InitErrorDetails(
            type=problem(what) if isinstance(what, str) else what, loc=path, input=None
        )
        for path, what in found
    ]
    return ValidationError.from_exception_data("spec", details)


def refuse_repeats(values: Sequence[float], form: str) -> None:
    """Raise a problem at each value that is listed twice."""
    first = {value: place for place, value in reversed(list(enumerate(values)))}
    twice = [place for place, value in enumerate(values) if first[value] != place]
    if twice:
        raise problems_below([((k,), f"{form.format(values[k])} is listed twice") for k in twice])


def expected(what: str) -> WrapValidator:
    """One plain message where pydantic would give one for each member of a union."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise problem(f"expected {what}, got {describe(value)}") from None

    return WrapValidator(check)


# YAML has lists where these classes have tuples: `strict=False` lets a list in, and only that,
# for the items stay as strict as everything else.
ImageSize = Annotated[
    PositiveInt | Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)] | None,
    expected("a number of pixels or [height, width]"),
]
"""A side or (height, width); None for the size that the images have."""


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise problem(f"expected an odd number, got {value}")
    return value


def _finite(value: Any) -> Any:
    """Refuse what JSON cannot say: its numbers too large for a float are read as infinite."""
    if isinstance(value, float) and not isfinite(value):
        raise problem(f"expected a finite number, got {value}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise problem("expected a number of at most 64 bits")
    for item in value.values() if isinstance(value, dict) else _items(value):
        _finite(item)
    return value


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


JsonObject = Annotated[dict[str, Any], AfterValidator(_finite)]
"""A mapping whose values can be anything that JSON can say."""

KernelSize = Annotated[
    PositiveInt,
    Field(le=255, json_schema_extra={"not": {"multipleOf": 2}}),
    AfterValidator(_odd),
]
"""Odd. Operators unroll their taps, so that building takes minutes where the kernel is larger."""


class ForEachStage:
    """An annotation: the value is of a type, or a list of values, one for each stage of a network.

    One value stands for every stage. `Architecture.misfits` counts the stages.

    Args:
        kind: The type.
        schema: Writes the JSON Schema of a value; default as pydantic writes it.
    """

    def __init__(
        self,
        kind: Any,
        schema: Callable[[GetJsonSchemaHandler], dict[str, Any]] | None = None,
    ) -> None:
        strict = ConfigDict(strict=True)
        self._one: TypeAdapter[Any] = TypeAdapter(kind, config=strict)
        self._each: TypeAdapter[Any] = TypeAdapter(tuple[kind, ...], config=strict)
        self._schema = schema or (lambda handler: handler(self._one.core_schema))

    def _checked(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return self._each.validate_python(tuple(value))
        return self._one.validate_python(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        one = self._schema(handler)
        return {"anyOf": [*one.get("anyOf", [one]), {"type": "array", "items": one, "minItems": 1}]}


StageKernelSizes = Annotated[int | tuple[int, ...], ForEachStage(KernelSize)]


def spelled_out(value: Any) -> Any:
    """`adam` as `{"name": "adam"}`; anything but a name as it is."""
    return {"name": value} if isinstance(value, str) else value


def normalize_name(value: Any, what: str) -> Any:
    """The same, and nothing but a mapping.

    Args:
        value: What the spec gave.
        what: It is meant to be, with its article.
    """
    given = spelled_out(value)
    if not isinstance(given, dict | StrictModel):
        raise problem(f"expected {what}'s name or a mapping, got {describe(value)}")
    return given
