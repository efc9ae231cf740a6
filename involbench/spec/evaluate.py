"""Changed test data: what each trained model is tested on besides the test images themselves."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, field_validator

from involbench.spec.section import PositiveFloat, PositiveInt, Section, problems_below

_LISTED = Field(strict=False, json_schema_extra={"uniqueItems": True})


@dataclass(frozen=True)
class Condition:
    """One change of the test images."""

    kind: str
    """A key of `evaluate`."""
    value: float

    @property
    def name(self) -> str:
        """As metrics under it are named: `noise=0.1` in `test_accuracy@noise=0.1`."""
        return f"{self.kind}={self.value:g}"


class EvaluateSpec(Section):
    """Conditions, each with its values; the images are changed one way at a time."""

    noise: Annotated[tuple[Annotated[PositiveFloat, Field(le=1)], ...], _LISTED] = Field(
        (), description="Gaussian noise: standard deviations, as shares of the full range."
    )
    blur: Annotated[tuple[Annotated[PositiveFloat, Field(le=100)], ...], _LISTED] = Field(
        (), description="Gaussian blur: standard deviations, in pixels."
    )
    contrast: Annotated[tuple[Annotated[PositiveFloat, Field(le=100)], ...], _LISTED] = Field(
        (), description="Contrast: factors of each pixel's distance from its image's mean."
    )
    shift: Annotated[tuple[Annotated[PositiveInt, Field(le=1024)], ...], _LISTED] = Field(
        (), description="Shift: pixels, each image in one of four directions, drawn by the seed."
    )
    image_size: Annotated[tuple[Annotated[PositiveInt, Field(le=4096)], ...], _LISTED] = Field(
        (), description="Another resolution: sides in pixels, for the models that can take it."
    )

    @field_validator("*")
    @classmethod
    def _in_order(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        """Sorted, since their order decides nothing and equal trials must be equal."""
        twice = [place for place, value in enumerate(values) if value in values[:place]]
        if twice:
            raise problems_below([((k,), f"{values[k]:g} is listed twice") for k in twice])
        return tuple(sorted(values))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All of them, kind by kind."""
        kinds = type(self).model_fields
        return tuple(Condition(kind, value) for kind in kinds for value in getattr(self, kind))
