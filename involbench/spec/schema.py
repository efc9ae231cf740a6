"""The schema of an experiment spec.

These classes are the only description of the spec. The error messages, the published JSON
Schema and the trials are all derived from them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    SerializeAsAny,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import GenerateJsonSchema

from involbench.plugins import load_installed
from involbench.registry import Registered, architectures, datasets, operators
from involbench.schema_types import (
    Name,
    PositiveFloat,
    PositiveInt,
    Seed,
    StrictModel,
    normalize_name,
    problem,
    problems_below,
    refuse_repeats,
)
from involbench.spec.architectures import Match, ModelSpec
from involbench.spec.claims import Claim, claim_faults
from involbench.spec.data import DataSpec
from involbench.spec.optimizers import OptimizerName, OptimizerSpec
from involbench.spec.tune import TuneSpec, Values
from involbench.text import KeyPath, describe, suggest

_LISTED = Field(strict=False, json_schema_extra={"uniqueItems": True})


@dataclass(frozen=True)
class Condition:
    """One change of the test images, or of the kernels."""

    kind: str
    """A key of `evaluate`."""
    value: float

    @property
    def name(self) -> str:
        """As metrics under it are named: `noise=0.1` in `test_accuracy@noise=0.1`."""
        return f"{self.kind}={self.value:g}"


class EvaluateSpec(StrictModel):
    """Conditions, each with its values; images or kernels are changed one way at a time."""

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
    frozen_kernels: Annotated[tuple[Annotated[PositiveFloat, Field(le=1)], ...], _LISTED] = Field(
        (),
        description="The kernels of involutions moved to their mean over the training images: "
        "shares of the distance; 1 for the mean kernel itself at every pixel.",
    )

    @field_validator("*")
    @classmethod
    def _sorted_without_repeats(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        """Sorted, since their order decides nothing and equal trials must be equal."""
        refuse_repeats(values, "{:g}")
        return tuple(sorted(values))

    @property
    def all_conditions(self) -> tuple[Condition, ...]:
        """All of them, kind by kind."""
        kinds = type(self).model_fields
        return tuple(Condition(kind, value) for kind in kinds for value in getattr(self, kind))


class ScheduleSpec(StrictModel):
    """A learning rate that falls, if you like after a linear rise.

    As `keras.optimizers.schedules.CosineDecay`, over all steps of the training.
    """

    name: Literal["cosine"] = Field(
        description="cosine: down along half a period of it, from the optimizer's learning rate."
    )
    alpha: Annotated[float, Field(ge=0, le=1)] = Field(
        0, description="Where it ends, as a fraction of the optimizer's learning rate."
    )
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        0, description="Epochs in which it first rises from 0; a fraction is possible."
    )


class TrainingSpec(StrictModel):
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
        description="Share of the weight of each label that the training loss spreads evenly over "
        "all classes; the test loss does not.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="The Keras dtype policy: the type in which the layers compute; weights, losses "
        "and probabilities are float32 under each. Losses are scaled under mixed_float16.",
    )
    distribution: Literal["none", "auto", "data_parallel"] = Field(
        "none",
        description="Whether several devices train one model, each with a part of every batch. "
        "auto: all GPUs that its worker sees; data_parallel: the same, and an error if there is "
        "only one.",
    )
    deterministic: bool = Field(
        True, description="Whether the same seed gives the same result to the bit."
    )
    checkpoint_every: PositiveInt | None = Field(
        None, description="Steps between checkpoints within an epoch; there is one after each."
    )
    max_minutes: PositiveFloat | None = Field(
        None, description="The longest time that the training of one trial may take."
    )

    @field_validator(
        "optimizer", mode="before", json_schema_input_type=OptimizerName | OptimizerSpec | None
    )
    @classmethod
    def _optimizer_by_name(cls, value: Any) -> Any:
        return OptimizerSpec() if value is None else normalize_name(value, "an optimizer")

    @field_validator(
        "learning_rate_schedule",
        mode="before",
        json_schema_input_type=Literal["cosine"] | ScheduleSpec | None,
    )
    @classmethod
    def _schedule_by_name(cls, value: Any) -> Any:
        return None if value is None else normalize_name(value, "a schedule")

    @field_validator("learning_rate_schedule")
    @classmethod
    def _warm_up_ends(cls, value: ScheduleSpec | None, info: ValidationInfo) -> ScheduleSpec | None:
        epochs = info.data.get("epochs")
        if value and epochs and value.warmup_epochs >= epochs:
            text = f"expected less than training.epochs = {epochs}, got {value.warmup_epochs:g}"
            raise problems_below([(("warmup_epochs",), text)])
        return value


MAX_SEEDS = 10_000


class ResourcesSpec(StrictModel):
    """What each trial needs on a node of a cluster; it changes no result."""

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

_SECTIONS = ("plugins", "training", "sweep", "tune", "evaluate", "reuse", "resources", "claims")
"""May be null, which takes a section away: its default stands."""


def _may_be_null(schema: dict[str, Any]) -> None:
    about = ("default", "description", "title")
    for name in _SECTIONS:
        given = schema["properties"][name]
        kinds = {key: given.pop(key) for key in list(given) if key not in about}
        given["anyOf"] = [kinds, {"type": "null"}]
        given["description"] = ExperimentSpec.model_fields[name].description


class ExperimentSpec(StrictModel, json_schema_extra=_may_be_null):
    """One question: which models, on which data, trained how, with which seeds."""

    spec_version: Literal[1] = Field(1, description="The version of this format.")
    plugins: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        strict=False,
        description="Python files, beside the spec, that register what it names. They are imported "
        "only where the command names them, too: --plugin FILE.",
    )
    name: Name = Field(description="Names the folder under results/.")
    data: SerializeAsAny[DataSpec] = Field(description="The images.")
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
    sweep: dict[str, Values] = Field(
        {}, description="Key paths, such as training.epochs, each with its values in turn."
    )
    tune: TuneSpec = Field(
        TuneSpec(),
        description="Key paths of training, each with candidates; each model is trained with those "
        "that are best for it, by their mean validation accuracy.",
    )
    evaluate: EvaluateSpec = Field(
        EvaluateSpec(),
        description="Changed test images, on which each model is tested too, once it is trained.",
    )
    reuse: tuple[Name, ...] = Field(
        (),
        strict=False,
        description="Other experiments in the results folder. A model that one of them has trained "
        "under the same name, with the same seed, data and training, is tested and not trained.",
    )
    resources: ResourcesSpec = Field(
        ResourcesSpec(), description="What each trial needs on a cluster (--executor ray)."
    )
    claims: tuple[Claim, ...] = Field(
        (),
        strict=False,
        description="Published claims about these models, to be tested against the results.",
    )

    primary: Name | None = Field(
        None,
        description="The model whose comparison with the baseline, in test accuracy, is tested "
        "first; the others only if it has a verdict. Default: all together.",
    )
    margin: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="A difference in test accuracy that does not matter, such as 0.02 for two "
        "points; smaller ones can be called equivalent.",
    )

    @field_validator(*_SECTIONS, "baseline", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        return cls.model_fields[info.field_name or ""].default if value is None else value

    @field_validator("models")
    @classmethod
    def _matched_models_exist(cls, models: dict[str, ModelSpec]) -> dict[str, ModelSpec]:
        matches = {name: getattr(model, "match", None) for name, model in models.items()}
        faults = {name: _match_fault(name, matches) for name in matches}
        if wrong := [((name, "match"), fault) for name, fault in faults.items() if fault]:
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
        refuse_repeats(value, "the seed {}")
        return value

    @field_validator("baseline")
    @classmethod
    def _baseline_is_a_model(cls, value: str, info: ValidationInfo) -> str:
        models = list(info.data.get("models", ()))
        if fault := baseline_fault(value, models):
            raise problem(fault)
        return value or next(iter(models), "")

    @field_validator("tune")
    @classmethod
    def _tuned_apart_from_results(cls, value: TuneSpec, info: ValidationInfo) -> TuneSpec:
        data = info.data.get("data")
        if not value.grid:
            if value.model_fields_set:
                raise problem("expected a key of training with its candidates")
            return value
        if data is not None and data.validation == "test":
            needed = "needs validation images that are held out from training"
            raise problem(f"{needed}; set data.validation to a fraction, such as 0.1")
        if shared := set(value.seeds).intersection(info.data.get("seeds", ())):
            text = f"{min(shared)} is a seed of the experiment, too; choose others"
            raise problems_below([(("seeds",), text)])
        training = info.data.get("training")
        schedule = training.learning_rate_schedule if training else None
        if value.epochs and schedule and schedule.warmup_epochs >= value.epochs:
            warm_up = f"the schedule's warmup_epochs = {schedule.warmup_epochs:g}"
            text = f"expected more than {warm_up}, got {value.epochs}"
            raise problems_below([(("epochs",), text)])
        return value

    @field_validator("primary")
    @classmethod
    def _primary_is_compared(cls, value: str | None, info: ValidationInfo) -> str | None:
        models = list(info.data.get("models", ()))
        if value is not None and models and value not in models:
            raise problem(f"{value!r} is not one of the models; {suggest(value, models)}")
        if value is not None and value == info.data.get("baseline"):
            raise problem(f"{value!r} is the baseline, which is not compared with itself")
        return value

    @field_validator("evaluate")
    @classmethod
    def _some_model_takes_the_sizes(cls, value: EvaluateSpec, info: ValidationInfo) -> EvaluateSpec:
        models = info.data.get("models", {}).values()
        if value.image_size and models and not any(each.fits_any_image_size for each in models):
            known = ", ".join(n for n, each in architectures().items() if each.any_image_size({}))
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
            conditions = [condition.name for condition in known["evaluate"].all_conditions]
            on_test = "data" in known and known["data"].validation == "test"
            faults = claim_faults(value, known["models"], known["sweep"], conditions, on_test)
            if faults:
                raise problems_below(faults)
        return value


def _match_fault(name: str, matches: Mapping[str, Match | None]) -> str | None:
    """What is wrong with the budget of a model."""
    match = matches[name]
    if match is None:
        return None
    other = match.model
    if other == name:
        return "a model cannot match itself"
    if other not in matches:
        return f"{other!r} is not one of the models"
    return f"{other!r} is matched to another model itself" if matches[other] else None


def baseline_fault(baseline: str, models: list[str]) -> str | None:
    """What is wrong with a baseline; an empty one stands for the first model."""
    if not models or not baseline or baseline in models:
        return None
    return f"{baseline!r} is not one of the models; {suggest(baseline, models)}"


def json_schema() -> dict[str, Any]:
    """The schema of `ExperimentSpec`, in the draft that pydantic writes (2020-12)."""
    load_installed()
    dialect, schema = GenerateJsonSchema.schema_dialect, ExperimentSpec.model_json_schema()
    return {"$schema": dialect, **schema, "title": "involbench experiment"}


def json_schema_text() -> str:
    """The schema as it is printed, and published in `involbench/spec/schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def keys_of(section: type[BaseModel]) -> tuple[KeyPath, ...]:
    """Every key that a section can have, and every key below it, without those in lists."""
    known = (*operators().values(), *architectures().values(), *datasets().values())
    return _keys_of(section, known)


@cache
def _keys_of(section: type[BaseModel], registered: tuple[Registered, ...]) -> tuple[KeyPath, ...]:
    """See `keys_of`. The schema of a section has what is registered in it."""
    schema = section.model_json_schema()
    return tuple(dict.fromkeys(_keys(schema, schema.get("$defs", {}), ())))


def _keys(schema: Mapping[str, Any], shared: Mapping[str, Any], at: KeyPath) -> Iterator[KeyPath]:
    if "$ref" in schema:
        yield from _keys(shared[schema["$ref"].rpartition("/")[2]], shared, at)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _keys(choice, shared, at)
    for name, below in schema.get("properties", {}).items():
        yield (*at, name)
        yield from _keys(below, shared, (*at, name))
