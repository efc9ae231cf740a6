"""The section `tune` of a spec: candidates for keys of `training`, and values beyond its grid."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from involbench.schema_types import (
    PositiveInt,
    Seed,
    StrictModel,
    problems_below,
    refuse_repeats,
    unknown_key,
)

Values = Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]
Grid = Mapping[str, Sequence[Any]]
"""Key paths, each with its values."""


def _grid_of_training_keys(schema: dict[str, Any]) -> None:
    values = {**schema.pop("additionalProperties"), "minItems": 2}
    schema["patternProperties"] = {r"^training\.": values}
    schema["additionalProperties"] = False


class TuneSpec(StrictModel):
    """Key paths of `training`, each with its candidates, and how these are compared."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_grid_of_training_keys)
    __pydantic_extra__: dict[str, Values]

    seeds: Annotated[
        tuple[Seed, ...],
        Field(strict=False, min_length=1, max_length=100, json_schema_extra={"uniqueItems": True}),
    ] = Field((100, 101), description="The seeds of each candidate; not those of the experiment.")
    extend: bool = Field(
        False,
        description="Whether a value is added beyond the grid where the best one is at its edge.",
    )

    epochs: PositiveInt | None = Field(
        None, description="Epochs of each candidate; default those of `training`."
    )

    @model_validator(mode="before")
    @classmethod
    def _training_keys_alone(cls, given: Any) -> Any:
        known = list(cls.model_fields)
        if isinstance(given, dict):
            others = [key for key in given if not str(key).startswith("training.")]
            if wrong := [key for key in others if key not in known]:
                fault = unknown_key([*known, "training.optimizer.learning_rate"])
                raise problems_below([((key,), fault) for key in wrong])
        return given

    @field_validator("seeds")
    @classmethod
    def _seeds_are_unique(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        refuse_repeats(value, "the seed {}")
        return value

    @property
    def grid(self) -> dict[str, tuple[Any, ...]]:
        """Key path -> its values; empty if nothing is tuned."""
        return dict(self.__pydantic_extra__)


def value_beyond(values: Sequence[Any], chosen: Any) -> float | int | None:
    """The value one step beyond a grid of numbers; None unless `chosen` is at its edge.

    The step is the factor between the last two values if all are positive, else their difference.
    """
    if not all(type(value) in (int, float) for value in values) or len(values) < 2:
        return None
    ordered = sorted(map(float, values))
    if chosen not in (ordered[0], ordered[-1]):
        return None
    last, before = (ordered[-1], ordered[-2]) if chosen == ordered[-1] else ordered[:2]
    beyond = last * last / before if ordered[0] > 0 else 2 * last - before
    if all(type(value) is int for value in values):
        return round(beyond)
    return float(f"{beyond:.3g}")
