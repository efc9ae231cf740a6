"""The shape of an experiment spec: what a YAML file may say, and what it means when it is silent.

These classes are the only description of the spec. The error messages, the published JSON
Schema and the trials are all derived from them.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from involbench.spec.architectures import ARCHITECTURES, ModelSpec
from involbench.spec.claims import Claim, claim_faults
from involbench.spec.data import DataSpec
from involbench.spec.evaluate import EvaluateSpec
from involbench.spec.match import match_fault
from involbench.spec.section import (
    Name,
    PositiveFloat,
    Section,
    Seed,
    problem,
    problems_below,
)
from involbench.spec.training import TrainingSpec
from involbench.spec.wording import describe, suggest

MAX_SEEDS = 10_000


class ResourcesSpec(Section):
    """What each trial takes of a node of a cluster; it changes no result."""

    cpus: PositiveFloat = Field(1, description="CPUs.")
    gpus: Annotated[float, Field(ge=0)] = Field(0, description="GPUs; a part of one is shared.")


_Seeds = Annotated[
    tuple[Seed, ...],
    Field(
        strict=False,
        min_length=1,
        max_length=MAX_SEEDS,
        json_schema_extra={"uniqueItems": True},
    ),
]
_Values = Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]


_SECTIONS = ("training", "sweep", "evaluate", "resources", "claims")
"""May be null, which takes a section away: its default stands."""


def _may_be_null(schema: dict[str, Any]) -> None:
    about = ("default", "description", "title")
    for name in _SECTIONS:
        given = schema["properties"][name]
        kinds = {key: given.pop(key) for key in list(given) if key not in about}
        given["anyOf"] = [kinds, {"type": "null"}]
        given["description"] = ExperimentSpec.model_fields[name].description


class ExperimentSpec(Section, json_schema_extra=_may_be_null):
    """One question: which models, on which data, trained how, with which seeds."""

    spec_version: Literal[1] = Field(1, description="The version of this format.")
    name: Name = Field(description="Names the folder under results/.")
    data: DataSpec = Field(description="Which images.")
    models: dict[Name, ModelSpec] = Field(
        min_length=1,
        description="The models to compare, each under a name of your own.",
        json_schema_extra={"additionalProperties": False},  # names of another pattern
    )
    training: TrainingSpec = Field(TrainingSpec(), description="How each model is trained.")
    seeds: _Seeds = Field((0,), description="How many seeds (3 means 0, 1 and 2), or a list.")
    baseline: Annotated[str, WithJsonSchema({"type": ["string", "null"]})] = Field(
        "",
        validate_default=True,
        description="The model that the others are compared with; default the first.",
    )
    sweep: dict[str, _Values] = Field(
        {}, description="Key paths, such as training.epochs, each with its values in turn."
    )
    evaluate: EvaluateSpec = Field(
        EvaluateSpec(),
        description="Changed test images, on which each model is tested too, once it is trained.",
    )
    resources: ResourcesSpec = Field(
        ResourcesSpec(), description="What each trial takes of a cluster: --executor ray."
    )
    claims: tuple[Claim, ...] = Field(
        (), strict=False, description="What others say of these models, to be held against data."
    )

    @field_validator(*_SECTIONS, mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        return cls.model_fields[info.field_name or ""].default if value is None else value

    @field_validator("models")
    @classmethod
    def _matched_models_exist(cls, models: dict[str, ModelSpec]) -> dict[str, ModelSpec]:
        matches = {name: getattr(model, "match", None) for name, model in models.items()}
        faults = {name: match_fault(name, matches) for name in models}
        wrong = [((name, "match"), fault) for name, fault in faults.items() if fault]
        if wrong:
            raise problems_below(wrong)
        return models

    @field_validator(
        "seeds",
        mode="before",
        json_schema_input_type=Annotated[int, Field(gt=0, le=MAX_SEEDS)] | _Seeds,
    )
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return value
        if type(value) is not int or not 0 < value <= MAX_SEEDS:
            what = f"how many seeds (1 to {MAX_SEEDS}) or a list of seeds"
            raise problem(f"expected {what}, got {describe(value)}")
        return tuple(range(value))

    @field_validator("seeds")
    @classmethod
    def _seeds_are_unique(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        first = {seed: place for place, seed in reversed(list(enumerate(value)))}
        twice = [place for place, seed in enumerate(value) if first[seed] != place]
        if twice:
            raise problems_below([((k,), f"the seed {value[k]} is listed twice") for k in twice])
        return value

    @field_validator("baseline", mode="before")
    @classmethod
    def _empty_baseline(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("baseline")
    @classmethod
    def _baseline_is_a_model(cls, value: str, info: ValidationInfo) -> str:
        models = list(info.data.get("models", ()))
        fault = baseline_fault(value, models)
        if fault:
            raise problem(fault)
        return value or next(iter(models), "")

    @field_validator("evaluate")
    @classmethod
    def _some_model_takes_the_sizes(cls, value: EvaluateSpec, info: ValidationInfo) -> EvaluateSpec:
        models = info.data.get("models", {}).values()
        if value.image_size and models and not any(model.any_image_size for model in models):
            known = ", ".join(name for name, cls in ARCHITECTURES.items() if cls.any_image_size)
            text = f"no model takes images of another size than it was trained on; {known} do"
            raise problems_below([(("image_size",), text)])
        return value

    @field_validator("claims")
    @classmethod
    def _claims_are_about_the_models(
        cls, value: tuple[Claim, ...], info: ValidationInfo
    ) -> tuple[Claim, ...]:
        known = info.data
        if {"models", "sweep", "evaluate"} <= known.keys():
            conditions = [condition.name for condition in known["evaluate"].conditions]
            faults = claim_faults(value, known["models"], known["sweep"], conditions)
            if faults:
                raise problems_below(faults)
        return value


def baseline_fault(baseline: str, models: list[str]) -> str | None:
    """What is wrong with a baseline; an empty one stands for the first model."""
    if not models or not baseline or baseline in models:
        return None
    return f"{baseline!r} is not one of the models; {suggest(baseline, models)}"
