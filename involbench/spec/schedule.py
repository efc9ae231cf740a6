"""How the learning rate changes in the course of a training."""

from typing import Annotated, Literal

from pydantic import Field

from involbench.spec.section import Section


class ScheduleSpec(Section):
    """A learning rate that falls, after a linear rise where one is asked for.

    As `keras.optimizers.schedules.CosineDecay`, over all steps of the training.
    """

    name: Literal["cosine"] = Field(
        description="cosine: half a period of it, down from the optimizer's learning rate."
    )
    alpha: Annotated[float, Field(ge=0, le=1)] = Field(
        0, description="Where it ends, as a fraction of the optimizer's learning rate."
    )
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        0, description="Epochs in which it first rises from 0; they may be part of one."
    )


def schedule_fault(schedule: ScheduleSpec | None, epochs: int | None) -> str | None:
    """What is wrong with a schedule's warm-up in a training of so many epochs, if known."""
    if schedule is None or epochs is None or schedule.warmup_epochs < epochs:
        return None
    return f"expected less than training.epochs = {epochs}, got {schedule.warmup_epochs:g}"
