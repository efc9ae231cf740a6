"""The architectures that a spec may name, with their arguments.

The builders are in `involbench.models`, which needs Keras; this is what can be said of them
without it. A test holds each class against the signature of the builder of the same name.
"""

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from involbench.schema_types import (
    KernelSize,
    Name,
    PositiveInt,
    StrictModel,
    problem,
    problems_below,
)
from involbench.spec.operators import OperatorSpec, channel_faults
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


_NAME = "Which network; its other keys are the arguments of this one."
_SIZE = "Height and width of the operator's neighbourhood; odd."


class Architecture(StrictModel):
    """Base of the architectures; `architecture` is the name that the spec uses."""

    any_image_size: ClassVar[bool] = False
    """Whether its weights fit images of every size: not where the head is of all pixels."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the builder."""
        return self.model_dump(exclude={"architecture"})

    @property
    def misfits(self) -> dict[KeyPath, str]:
        """Which of its keys do not fit the others, and why; each is valid in itself."""
        return {}


class Scalable(Architecture):
    """Base of the architectures whose width can be chosen to match another model's size."""

    match: Match | None = Field(
        None,
        description="In place of a width, the model whose size it has, to 2%: {parameters: NAME} "
        "or {macs: NAME}.",
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the builder."""
        return self.model_dump(exclude={"architecture", "match"})

    def scaled(self, width: int) -> Self:
        """The same with a width, and nothing left to match."""
        return self.model_copy(update={"width": width, "match": None})

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels that its operator has, layer by layer."""
        return ()

    @property
    def misfits(self) -> dict[KeyPath, str]:
        """For a budget nothing is known: only widths that fit are looked at."""
        if self.match or not self.channels:
            return {}
        faults = channel_faults(getattr(self, "operator", "none"), self.channels)
        return {("operator", key): text for key, text in faults.items()}

    @model_validator(mode="after")
    def _one_width(self) -> Self:
        field = type(self).model_fields.get("width")
        if self.match and field and getattr(self, "width", None) != field.default:
            text = "stands in place of a width, and there is one; leave one of them out"
            raise problems_below([(("match",), text)])
        return self


class KerasIoCnn(Architecture):
    """The convolutional network of the keras.io involution tutorial."""

    architecture: Literal["keras_io_cnn"] = Field(description=_NAME)


class KerasIoInn(Architecture):
    """The involutional network of the keras.io involution tutorial."""

    architecture: Literal["keras_io_inn"] = Field(description=_NAME)
    kernel_size: KernelSize = Field(
        3, description="Height and width of the involution kernels; odd."
    )
    reduction_ratio: PositiveInt = Field(
        2,
        le=3,
        description="The kernel generator reduces 3 channels to 3 // reduction_ratio; at most 3.",
    )


class KerasIoControl(Architecture):
    """The keras.io involutional network with its involutions left out."""

    architecture: Literal["keras_io_control"] = Field(description=_NAME)


class PythonguidesCnn(Architecture):
    """The convolutional network of the Python Guides article on involution."""

    any_image_size: ClassVar[bool] = True
    architecture: Literal["pythonguides_cnn"] = Field(description=_NAME)


class PythonguidesInn(Architecture):
    """The involutional network of the Python Guides article, with its layer made to run."""

    any_image_size: ClassVar[bool] = True
    architecture: Literal["pythonguides_inn"] = Field(description=_NAME)
    kernel_size: KernelSize = Field(3, description=_SIZE)
    reduction_ratio: PositiveInt = Field(
        4,
        le=32,
        description="The kernel generator reduces 32 and 64 channels by this; at most 32.",
    )


class Plain(Scalable):
    """The shape of the keras.io networks, for any operator and any widths."""

    architecture: Literal["plain"] = Field(description=_NAME)
    operator: OperatorSpec = "convolution"
    widths: Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1)] = Field(
        (32, 64, 64), description="Channels of each stage; there is a pooling between each two."
    )
    kernel_size: KernelSize = Field(3, description=_SIZE)

    @property
    def channels(self) -> tuple[int, ...]:
        """One operator a stage."""
        return self.widths

    def scaled(self, width: int) -> Self:
        """The same with a width of the first stage, and the others in proportion."""
        widths = tuple(max(1, round(width * other / self.widths[0])) for other in self.widths)
        return self.model_copy(update={"widths": widths, "match": None})


class ResidualInvolution(Scalable):
    """A deep stack of residual blocks of one operator each, at the full size of the image."""

    architecture: Literal["residual_involution"] = Field(description=_NAME)
    num_layers: PositiveInt = Field(50, le=1000, description="Number of residual blocks.")
    operator: OperatorSpec = "involution"
    kernel_size: KernelSize = Field(3, description=_SIZE)
    width: PositiveInt = Field(64, description="Channels of the blocks.")

    @property
    def channels(self) -> tuple[int, ...]:
        """The same in every block."""
        return (self.width,)


class Resnet(Scalable):
    """ResNet, with any operator where it has its 3x3 convolutions."""

    any_image_size: ClassVar[bool] = True
    architecture: Literal["resnet"] = Field(description=_NAME)
    depth: Literal[18, 26, 38, 50, 101, 152] = Field(
        50, description="Number of layers: basic blocks at 18, else bottlenecks."
    )
    operator: OperatorSpec = "convolution"
    kernel_size: KernelSize = Field(3, description=_SIZE)
    stem: Literal["imagenet", "cifar"] = Field(
        "imagenet",
        description="imagenet: 7x7 convolution and max pooling, each with stride 2; cifar: 3x3.",
    )
    width: PositiveInt = Field(64, description="Channels of the first stage; each doubles them.")

    @property
    def channels(self) -> tuple[int, ...]:
        """Of its four stages."""
        return tuple(self.width * 2**stage for stage in range(4))


class Rednet(Scalable):
    """RedNet, as its authors have it: ResNet with 7x7 involutions, and one in the stem."""

    any_image_size: ClassVar[bool] = True
    architecture: Literal["rednet"] = Field(description=_NAME)
    depth: Literal[26, 38, 50, 101, 152] = Field(50, description="Number of layers.")
    kernel_size: KernelSize = Field(7, description=_SIZE)
    width: PositiveInt = Field(
        64,
        multiple_of=32,
        description="Channels of the first stage, a multiple of 32; each stage doubles them.",
    )
    stem_kernel_size: KernelSize = Field(3, description="Of the involution in the stem; odd.")


ModelSpec = Annotated[
    KerasIoCnn
    | KerasIoInn
    | KerasIoControl
    | PythonguidesCnn
    | PythonguidesInn
    | Plain
    | ResidualInvolution
    | Resnet
    | Rednet,
    Field(discriminator="architecture"),
]


ARCHITECTURES: dict[str, type[Architecture]] = {
    get_args(cls.model_fields["architecture"].annotation)[0]: cls
    for cls in get_args(get_args(ModelSpec)[0])
}
"""The architectures by name."""
