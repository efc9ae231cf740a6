"""The shape of an experiment spec: what a YAML file may say, and what it means when it is silent.

These classes are the only description of the spec. The error messages, the published JSON
Schema and the trials are all derived from them.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from involbench.spec.architectures import ModelSpec
from involbench.spec.section import Name, PositiveInt, Section, Seed

Dataset = Literal["cifar10", "cifar100", "digits", "folder", "npz"]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class DataSpec(Section):
    """Which images, how many of them, and what is done to them on the way to the model."""

    dataset: Dataset = Field(description="The source of the images.")
    path: str | None = Field(None, description="Where the images are; for folder and npz.")
    image_size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="Resize to this many pixels, a side or [height, width]; for folder."
    )
    test_fraction: Fraction = Field(
        0.2, description="Share of the images held out for testing where a folder has no test/."
    )
    train_size: PositiveInt | None = Field(
        None, description="Train on a class-balanced subset of this many images; default all."
    )
    validation: Literal["test"] | Fraction = Field(
        "test", description="'test', as the keras.io example does, or a fraction of train."
    )
    normalization: Literal["unit", "standardize"] = Field(
        "unit", description="unit: x/255; standardize: zero mean and unit variance a channel."
    )
    augmentation: tuple[Literal["flip", "crop"], ...] = Field(
        (), description="Random changes to the training images."
    )


class OptimizerSpec(Section, extra="allow"):
    """A Keras optimizer and its arguments, as `keras.optimizers` spells them."""

    name: str = Field(description="The optimizer's name, such as adam or sgd.")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the optimizer's class."""
        return dict(self.model_extra or {})


class TrainingSpec(Section):
    """How each model is trained."""

    epochs: PositiveInt = Field(20, description="Passes over the training images.")
    batch_size: PositiveInt = Field(256, description="Images a step.")
    optimizer: OptimizerSpec = Field(
        OptimizerSpec(name="adam"),
        description="The name of a Keras optimizer, or a mapping with its name and arguments.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="The Keras dtype policy."
    )

    @field_validator("optimizer", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class ExperimentSpec(Section):
    """One question: which models, on which data, trained how, with which seeds."""

    spec_version: Literal[1] = 1
    name: Name = Field(description="Names the folder under results/.")
    data: DataSpec
    models: dict[Name, ModelSpec] = Field(min_length=1)
    training: TrainingSpec = TrainingSpec()
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="How many seeds, or a list.")
    baseline: Name = Field("", validate_default=False, description="Default: the first model.")
    sweep: dict[str, tuple[Any, ...]] = Field(
        {}, description="Key paths, each with the values that it takes in turn."
    )

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        return tuple(range(value)) if type(value) is int and value > 0 else value

    @model_validator(mode="after")
    def _baseline_is_a_model(self) -> Self:
        if self.baseline and self.baseline not in self.models:
            raise ValueError(f"baseline {self.baseline!r} is not one of the models")
        return self
