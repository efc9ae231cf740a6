"""The operators and architectures that a spec may name: pydantic types from the registry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema

from involbench import registry
from involbench.plugins import as_recorded, line_of, may_be_recorded, reason_of, source_of
from involbench.registry import operators
from involbench.schema_types import (
    ForEachStage,
    Fraction,
    Name,
    StrictModel,
    normalize_name,
    problem,
    problems_below,
    spelled_out,
    unknown_key,
)
from involbench.text import KeyPath, describe, nearest, suggest

_ONE = {"oneOf": [{"required": ["parameters"]}, {"required": ["macs"]}]}


@dataclass(frozen=True)
class _JsonSchema:
    """Writes the JSON Schema on demand, so that what is registered later is in it."""

    write: Callable[[GetJsonSchemaHandler], dict[str, Any]]

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.write(handler)


def _checked_operator(value: Any) -> Any:
    """The operator, as its name alone where it has no arguments, so that equal trials are equal."""
    given = normalize_name(value, "an operator")
    known, name = operators(), given.get("name")
    try:
        return _known_operator(value, given, known, name)
    except ValidationError:
        if may_be_recorded(name, known.get(str(name))):
            return value
        raise


def _known_operator(value: Any, given: Any, known: dict[str, registry.Operator], name: Any) -> Any:
    if not isinstance(name, str) or name not in known:
        text = wrong_name("operator", given, "name", list(known))
        raise problems_below([(("name",) if value is given else (), text)])
    rest = {key: item for key, item in given.items() if key != "name"}
    try:
        checked = known[name].arguments.model_validate(rest)
    except ValidationError as error:
        unknown = unknown_key(list(known[name].arguments.model_fields))
        wrong = [
            (each["loc"], unknown if each["type"] == "extra_forbidden" else each["msg"])
            for each in error.errors()
        ]
        places = {key: place for place, key in enumerate(rest)}
        wrong.sort(key=lambda each: places.get(each[0][0], len(places)))
        raise problems_below(wrong) from None
    return {"name": name, **{key: getattr(checked, key) for key in rest}} if rest else name


def wrong_name(what: str, given: dict[str, Any], key: str, names: list[str]) -> str:
    """What is wrong with a key that is to have one of the names."""
    if key not in given:
        near = nearest(key, map(str, given))
        text = f"missing; this key is required: one of {', '.join(names)}"
        return f"missing; is {near!r} a misspelling of it?" if near else text
    name = given[key]
    if not isinstance(name, str):
        return f"expected one of {', '.join(names)}, got {describe(name)}"
    return f"unknown {what} {name!r}; {suggest(name, names)}"


def _operator_schema(handler: GetJsonSchemaHandler) -> dict[str, Any]:
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
    about = f"Argument of the layer for {name}; see docs/reference/operators.md."
    properties = operators()[name].arguments.model_json_schema().get("properties", {})
    return {
        key: {"description": about}
        | {word: rule for word, rule in rules.items() if word not in ("default", "title")}
        for key, rules in properties.items()
    }


OperatorSpec = Annotated[
    str | dict[str, Any],
    BeforeValidator(_checked_operator),
    _JsonSchema(_operator_schema),
    Field(
        description="What looks at the neighbourhood of each pixel: a name, or a mapping with its "
        "name and its arguments, such as {name: involution, reduction_ratio: 2}."
    ),
]
"""An operator: a name, or a mapping with a name and arguments."""

StageOperators = Annotated[
    str | dict[str, Any] | tuple[str | dict[str, Any], ...],
    ForEachStage(OperatorSpec, _operator_schema),
    Field(
        description="What looks at the neighbourhood of each pixel: a name, or a mapping with its "
        "name and its arguments, such as {name: involution, reduction_ratio: 2}; or a list of "
        "these, one for each stage."
    ),
]


class Match(StrictModel, json_schema_extra=_ONE):
    """The size that the model shares with another model of the spec."""

    parameters: Annotated[Name, Field(description="A model, for its trainable parameters.")] = ""
    macs: Annotated[Name, Field(description="A model, for its multiply-accumulates.")] = ""
    of: Literal["all", "body", "operator"] = Field(
        "all",
        description="What is counted: all layers; body: all but the head; operator: the operators "
        "alone.",
    )
    tolerance: Fraction = Field(
        0.02, description="The largest difference, as a share of what the other model has."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set & {"parameters", "macs"}) != 1:
            raise problem("expected one key, parameters or macs, with the name of a model")
        return self

    @property
    def model(self) -> str:
        """The name of the other model."""
        return self.parameters or self.macs

    @property
    def what(self) -> str:
        """`parameters` or `macs`."""
        return "parameters" if self.parameters else "macs"

    @property
    def unit(self) -> str:
        """What is counted, in words."""
        where = {"all": "", "body": " outside the head", "operator": " in its operators"}[self.of]
        return f"{'MACs' if self.macs else 'trainable parameters'}{where}"


class Architecture(StrictModel):
    """Base of the architectures; `architecture` is the name that the spec uses."""

    if TYPE_CHECKING:
        architecture: str

    @property
    def registered(self) -> registry.Architecture:
        """What the registry knows of it."""
        return registry.architectures()[self.architecture]

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the builder."""
        return self.model_dump(exclude={"architecture", "match"})

    @property
    def fits_any_image_size(self) -> bool:
        """Whether its weights fit images of every size."""
        return self.registered.any_image_size(self.arguments)

    @property
    def settings(self) -> dict[str, Any]:
        """What of it decides the result, for JSON: of a built-in one without the defaults.

        Those of a plugin's are not known where it is not imported.
        """
        known = registry.architectures().get(self.architecture)
        if known is None or source_of(known):
            return self.model_dump(mode="json", exclude={"match"})
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def misfits(self) -> dict[KeyPath, str]:
        """Which of its keys do not fit the others, and why; each is valid in itself."""
        # Before the width that matches is known, nothing can be checked.
        if getattr(self, "match", None):
            return {}
        try:
            channels = self.registered.channels(self.arguments)
            if not channels:
                return {}
            return _stage_faults(self.arguments, channels)
        except Exception as error:
            if (place := line_of(error)) is None:
                raise
            return {("operator",): f"{place}: {reason_of(error)}"}

    def __reduce__(self) -> Any:
        """Pickled by name and arguments: the class itself is made at run time."""
        return _restored, (self.model_dump(exclude_unset=True),)


def _stage_faults(arguments: dict[str, Any], channels: Sequence[int]) -> dict[KeyPath, str]:
    """What is wrong with the operators and kernel sizes of stages with these channels."""
    found: dict[KeyPath, str] = {
        (key,): f"expected one value, or a list of {len(channels)}, one for each stage; "
        f"got {len(value)}"
        for key in ("operator", "kernel_size")
        if isinstance(value := arguments.get(key), tuple) and len(value) != len(channels)
    }
    operator = arguments.get("operator", "none")
    stages: list[tuple[KeyPath, Any, Sequence[int]]] = [(("operator",), operator, channels)]
    if isinstance(operator, tuple):
        each = zip(operator, channels, strict=False)
        stages = [(("operator", i), one, [width]) for i, (one, width) in enumerate(each)]
    for path, one, widths in stages:
        given = spelled_out(one)
        faults = operators()[given["name"]].check(given, widths)
        found |= {(*path, key): text for key, text in faults.items()}
    return found


class RecordedArchitecture(Architecture):
    """One of a plugin that is not imported, or has changed: as it stands in a record."""

    model_config = ConfigDict(extra="allow")

    architecture: str

    @property
    def registered(self) -> registry.Architecture:
        """One about which nothing is known."""
        return registry.Architecture(
            *(self.architecture, refuse_to_build, {}, "", lambda given: True, lambda given: ()),
            *(None, ""),
        )


def refuse_to_build(*arguments: object, **options: object) -> NoReturn:
    """In place of a function of a plugin that is not imported."""
    raise ValueError("its plugin is not imported; name it with --plugin FILE")


class Scalable(Architecture):
    """Base of the architectures whose width can be chosen to match another model's size."""

    match: Match | None = Field(
        None,
        description="In place of a width, the model whose size it has: {parameters: NAME} or "
        "{macs: NAME}.",
    )

    def scaled(self, width: int) -> Self:
        """The same with a width, and nothing left to match."""
        scale = self.registered.scale
        assert scale is not None
        return self.model_copy(update={**scale(self.arguments, width), "match": None})

    @model_validator(mode="after")
    def _one_width(self) -> Self:
        field = type(self).model_fields.get("width")
        if self.match and field and getattr(self, "width", None) != field.default:
            text = "takes the place of a width, but there is a width, too; remove one of them"
            raise problems_below([(("match",), text)])
        return self


def architecture_specs() -> dict[str, type[Architecture]]:
    """The pydantic model of each registered architecture, by name."""
    return {name: _spec_of(known) for name, known in registry.architectures().items()}


@cache
def _spec_of(known: registry.Architecture) -> type[Architecture]:
    about = "Which network; its other keys are the arguments of this one."
    name: Any = (Literal[known.name], Field(description=about))
    return create_model(
        "".join(part.capitalize() for part in known.name.split("_")),
        __base__=Scalable if known.scale else Architecture,
        __doc__=known.summary,
        **{"architecture": name, **known.fields},
    )


@cache
def _union_of(specs: tuple[type[Architecture], ...]) -> TypeAdapter[Architecture]:
    union: Any = Annotated[reduce(or_, specs), Field(discriminator="architecture")]
    return TypeAdapter(union)


def _union() -> TypeAdapter[Architecture]:
    return _union_of(tuple(architecture_specs().values()))


def _checked(value: Any) -> Architecture:
    if isinstance(value, Architecture):
        return value
    try:
        return _union().validate_python(value)
    except ValidationError:
        name = value.get("architecture") if isinstance(value, dict) else None
        if may_be_recorded(name, registry.architectures().get(str(name))):
            return RecordedArchitecture.model_validate(value)
        raise


def _restored(value: dict[str, Any]) -> Architecture:
    with as_recorded():
        return _checked(value)


ModelSpec = Annotated[
    SerializeAsAny[Architecture],
    BeforeValidator(_checked),
    _JsonSchema(lambda handler: handler(_union().core_schema)),
]
