"""The architectures that a spec may name, with their arguments.

The builders are in `involbench.models`, which needs Keras; this is what can be said of them
without it. A test holds each class against the signature of the builder of the same name.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from involbench.spec.section import OddInt, PositiveInt, Section

_NAME = "Which network; its other keys are the arguments of this one."


class Architecture(Section):
    """Base of the architectures; `architecture` is the name that the spec uses."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the builder."""
        return self.model_dump(exclude={"architecture"})


class KerasIoCnn(Architecture):
    """The convolutional network of the keras.io involution tutorial."""

    architecture: Literal["keras_io_cnn"] = Field(description=_NAME)


class KerasIoInn(Architecture):
    """The involutional network of the keras.io involution tutorial."""

    architecture: Literal["keras_io_inn"] = Field(description=_NAME)
    kernel_size: OddInt = Field(3, description="Height and width of the involution kernels; odd.")
    reduction_ratio: PositiveInt = Field(
        2,
        le=3,
        description="The kernel generator reduces 3 channels to 3 // reduction_ratio; at most 3.",
    )


class KerasIoControl(Architecture):
    """The keras.io involutional network with its involutions left out."""

    architecture: Literal["keras_io_control"] = Field(description=_NAME)


ModelSpec = Annotated[KerasIoCnn | KerasIoInn | KerasIoControl, Field(discriminator="architecture")]
