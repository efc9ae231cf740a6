"""The architectures that a spec may name: a pydantic model of each registered one."""

from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    TypeAdapter,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema

from involbench import registry
from involbench.schema_types import Name, StrictModel, problem, problems_below
from involbench.spec.operators import channel_faults
from involbench.text import KeyPath

_ONE = {"minProperties": 1, "maxProperties": 1}


class Match(StrictModel, json_schema_extra=_ONE):
    """What the model has as much of as another model of the spec."""

    parameters: Annotated[Name, Field(description="A model, for its trainable parameters.")] = ""
    macs: Annotated[Name, Field(description="A model, for its multiply-accumulates.")] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
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


def match_fault(name: str, matches: dict[str, Any]) -> str | None:
    """What is wrong with a model's budget.

    Args:
        name: The model's.
        matches: Of each model of the spec, its `Match` or None.
    """
    match = matches[name]
    if match is None:
        return None
    other = match.model
    if other == name:
        return "a model cannot match itself"
    if other not in matches:
        return f"{other!r} is not one of the models"
    return f"{other!r} is matched to another model itself" if matches[other] else None


class Architecture(StrictModel):
    """Base of the architectures; `architecture` is the name that the spec uses."""

    if TYPE_CHECKING:
        architecture: str

    @property
    def registered(self) -> registry.Architecture:
        """What the registry knows of it."""
        return registry.architectures()[self.architecture]

    @property
    def any_image_size(self) -> bool:
        """Whether its weights fit images of every size."""
        return self.registered.any_image_size

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the builder."""
        return self.model_dump(exclude={"architecture", "match"})

    @property
    def misfits(self) -> dict[KeyPath, str]:
        """Which of its keys do not fit the others, and why; each is valid in itself."""
        channels = self.registered.channels(self.arguments)
        # Before the width that matches is known, nothing can be checked.
        if getattr(self, "match", None) or not channels:
            return {}
        faults = channel_faults(getattr(self, "operator", "none"), channels)
        return {("operator", key): text for key, text in faults.items()}

    def __reduce__(self) -> Any:
        """Pickled by name and arguments: the class itself is made at run time."""
        return _checked, (self.model_dump(exclude_unset=True),)


class Scalable(Architecture):
    """Base of the architectures whose width can be chosen to match another model's size."""

    match: Match | None = Field(
        None,
        description="In place of a width, the model whose size it has, to 2%: {parameters: NAME} "
        "or {macs: NAME}.",
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
            text = "stands in place of a width, and there is one; leave one of them out"
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
def _union(specs: tuple[type[Architecture], ...]) -> TypeAdapter[Architecture]:
    union: Any = Annotated[reduce(or_, specs), Field(discriminator="architecture")]
    return TypeAdapter(union)


def _checked(value: Any) -> Architecture:
    if isinstance(value, Architecture):
        return value
    return _union(tuple(architecture_specs().values())).validate_python(value)


class _FromTheRegistry:
    """Writes the JSON Schema when it is asked, so that architectures registered later are in it."""

    @staticmethod
    def __get_pydantic_json_schema__(
        core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(_union(tuple(architecture_specs().values())).core_schema)


ModelSpec = Annotated[SerializeAsAny[Architecture], BeforeValidator(_checked), _FromTheRegistry()]
