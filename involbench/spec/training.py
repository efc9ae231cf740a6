"""The `training` of a spec: how each model is trained."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from involbench.spec.named import named
from involbench.spec.optimizers import OptimizerName, OptimizerSpec
from involbench.spec.schedule import ScheduleSpec, schedule_fault
from involbench.spec.section import PositiveFloat, PositiveInt, Section, problems_below


class TrainingSpec(Section):
    """How each model is trained."""

    epochs: PositiveInt = Field(20, description="Passes over the training images.")
    batch_size: PositiveInt = Field(256, description="Images a step.")
    optimizer: OptimizerSpec = Field(
        OptimizerSpec(),
        description="The name of a Keras optimizer, or a mapping with its name and arguments.",
    )
    learning_rate_schedule: ScheduleSpec | None = Field(
        None,
        description="The name of a schedule, or a mapping with its name and arguments; "
        "default a constant learning rate.",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="Share of each label's weight that is spread evenly over all classes in the "
        "loss that is trained on; the test's loss is without it.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="The Keras dtype policy: in what the layers compute; weights, losses and "
        "probabilities are float32 under each. Losses are scaled under mixed_float16.",
    )
    distribution: Literal["none", "auto", "data_parallel"] = Field(
        "none",
        description="Whether several devices train one model, each with a part of every batch: "
        "auto: all GPUs that its worker sees; data_parallel: the same, and an error where there is "
        "only one.",
    )
    deterministic: bool = Field(
        True, description="Whether the same seed gives the same result to the bit."
    )
    checkpoint_every: PositiveInt | None = Field(
        None, description="Steps between checkpoints within an epoch; there is one after each."
    )
    max_minutes: PositiveFloat | None = Field(
        None, description="The longest that the training of one trial may take."
    )

    @field_validator(
        "optimizer", mode="before", json_schema_input_type=OptimizerName | OptimizerSpec | None
    )
    @classmethod
    def _optimizer_by_name(cls, value: Any) -> Any:
        return OptimizerSpec() if value is None else named(value, "an optimizer")

    @field_validator(
        "learning_rate_schedule",
        mode="before",
        json_schema_input_type=Literal["cosine"] | ScheduleSpec | None,
    )
    @classmethod
    def _schedule_by_name(cls, value: Any) -> Any:
        return None if value is None else named(value, "a schedule")

    @field_validator("learning_rate_schedule")
    @classmethod
    def _warm_up_ends(cls, value: ScheduleSpec | None, info: ValidationInfo) -> ScheduleSpec | None:
        fault = schedule_fault(value, info.data.get("epochs"))
        if fault:
            raise problems_below([(("warmup_epochs",), fault)])
        return value
