"""A claim, and metrics that are named with a target."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from involbench.schema_types import Name, PositiveFloat, StrictModel, problem
from involbench.text import KeyPath, describe, suggest

_TO_TARGET = ("epochs_to", "seconds_to")
_TARGET = "val_accuracy"


def takes_target(metric: str) -> bool:
    """Whether it says nothing without a target."""
    return metric.partition("@")[0] in _TO_TARGET


def target_of(metric: str) -> float | None:
    """The validation accuracy to be reached, a fraction; None where the name has none."""
    name, _, value = metric.partition("@")[2].partition("=")
    if not takes_target(metric) or name != _TARGET:
        return None
    try:
        target = float(value)
    except ValueError:
        return None
    return target if 0 < target <= 1 else None


def target_fault(metric: str) -> str:
    """What is wrong with the name of a metric that takes a target; empty for all other names."""
    if not takes_target(metric) or target_of(metric) is not None:
        return ""
    plain = metric.partition("@")[0]
    return f"add the accuracy to reach, a fraction, such as {plain}@{_TARGET}=0.7"


ON_TEST = "data.validation is 'test', so it was chosen on the test images"
"""Why a metric of the validation is no finding."""


def is_of_validation(metric: str) -> bool:
    """Whether a metric is taken from the validation after each epoch."""
    return metric in ("best_val_accuracy", "best_epoch") or takes_target(metric)


_Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
_METRIC = r"^[a-z0-9][a-z0-9_-]*(@[a-z_]+=[0-9.e+-]+)?$"
_Metric = Annotated[str, StringConstraints(pattern=_METRIC, max_length=64)]


class Margin(StrictModel):
    """By how much."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    ratio: PositiveFloat = Field(1.0, description="At least this many times as much.")
    difference: float = Field(
        1.0,
        description="At least this much more, in the metric's unit; accuracies are fractions. "
        "Below 0: at most so much less.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "Margin":
        if len(self.model_fields_set) != 1:
            raise problem("expected either ratio or difference")
        return self


OURS = "ours"
"""In place of a source: a claim of the spec's own author."""


def _source_is_required(schema: dict[str, Any]) -> None:
    del schema["properties"]["source"]["default"]
    schema["required"].insert(1, "source")


class Claim(StrictModel, json_schema_extra=_source_is_required):
    """One model has more of a metric than another, or than itself at another point."""

    says: _Text = Field(description="The claim, in the words of its source.")
    source: _Text = Field(
        "",
        validate_default=True,
        description="Who says it: an address or a reference; or ours, for a claim of your own.",
    )
    setting: _Text | None = Field(
        None, description="What the source tested: data, networks, training; default unknown."
    )
    metric: _Metric = Field(
        description="The metric, such as test_accuracy, test_accuracy@noise=0.1 or "
        "epochs_to@val_accuracy=0.7."
    )
    greater: Name = Field(description="The model that has more of it, by the claim.")
    lesser: Name = Field(description="The model that has less of it, by the claim.")
    by: Margin | None = Field(None, description="By how much; default: anything above 0.")
    at: dict[str, Any] = Field(
        {}, description="The points of the sweep that it is about, such as data.train_size: 500."
    )
    lesser_at: dict[str, Any] = Field(
        {},
        description="The values of at that differ for the lesser model, such as "
        "data.train_size: 5000.",
    )
    interaction: tuple[dict[str, Any], ...] = Field(
        (),
        strict=False,
        description="Two points of the sweep, such as [{data.train_size: 500}, {data.train_size: "
        "5000}]: the advantage of greater is larger at the first than at the second.",
        json_schema_extra={"minItems": 2, "maxItems": 2},
    )

    @field_validator("source", mode="before")
    @classmethod
    def _has_a_source(cls, value: Any) -> Any:
        if value in ("", None):
            raise problem(
                "missing; name who says it (an address or a reference), or write `source: ours` "
                "for a claim of your own"
            )
        return value

    @field_validator("interaction")
    @classmethod
    def _two_points(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if len(value) != 2:
            raise problem(f"expected two points of the sweep, got {len(value)}")
        if value[0] == value[1] or value[0].keys() != value[1].keys():
            raise problem("expected two points with the same keys and different values")
        return value


def claim_faults(
    claims: Sequence[Claim],
    models: Iterable[str],
    sweep: Mapping[str, Sequence[Any]],
    conditions: Sequence[str] = (),
    on_test: bool = False,
) -> list[tuple[KeyPath, str]]:
    """What is wrong with claims that are valid in themselves, for the models of a spec.

    A claim may be about models, points of the sweep and conditions that there are not; or about the
    validation, although the models are validated on the test images (`on_test`).
    """
    names, found = list(models), list[tuple[KeyPath, str]]()
    for index, claim in enumerate(claims):
        for key, name in (("greater", claim.greater), ("lesser", claim.lesser)):
            if name not in names:
                text = f"{name!r} is not one of the models; {suggest(name, names)}"
                found.append(((index, key), text))
        if claim.greater == claim.lesser and claim.at == {**claim.at, **claim.lesser_at}:
            found.append(((index, "lesser"), "the same model as in greater"))
        found += [((index, *path), text) for path, text in _interaction_faults(claim, sweep)]
        fault, (_, at, condition) = target_fault(claim.metric), claim.metric.partition("@")
        if at and not takes_target(claim.metric) and condition not in conditions:
            hint = suggest(condition, conditions) if conditions else "this spec has no evaluate"
            fault = f"{condition} is not evaluated; {hint}"
        if on_test and is_of_validation(claim.metric):
            fault = fault or f"no claim can be about it: {ON_TEST}"
        if fault:
            found.append(((index, "metric"), fault))
        found += _point_faults((index, "at"), claim.at, sweep)
        found += _point_faults((index, "lesser_at"), claim.lesser_at, sweep)
        found += [
            ((index, "lesser_at", key), "at does not have this key")
            for key in claim.lesser_at
            if key in sweep and key not in claim.at
        ]
    return found


def _interaction_faults(
    claim: Claim, sweep: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the two points of an interaction, and with what stands beside them."""
    if not claim.interaction:
        return
    if claim.lesser_at:
        yield ("lesser_at",), "not with interaction, which has both models at both points"
    if claim.by is not None and "ratio" in claim.by.model_fields_set:
        yield ("by", "ratio"), "not with interaction, which is a difference; give by: {difference}"
    for place, point in enumerate(claim.interaction):
        yield from _point_faults(("interaction", place), point, sweep)
        for key in point:
            if key in claim.at:
                yield ("at", key), "is in interaction, too"
            elif key in sweep and key.startswith("models.") and not key.startswith("models.*."):
                text = "of one model only; an interaction needs a key of both, such as models.*.KEY"
                yield ("interaction", place, key), text


def _point_faults(
    place: KeyPath, point: Mapping[str, Any], sweep: Mapping[str, Sequence[Any]]
) -> list[tuple[KeyPath, str]]:
    found = list[tuple[KeyPath, str]]()
    for key, value in point.items():
        if key not in sweep:
            hint = suggest(key, list(sweep)) if sweep else "this spec has no sweep"
            found.append(((*place, key), f"not swept; {hint}"))
        elif value not in sweep[key]:
            text = f"expected one of the sweep's values, got {describe(value)}"
            found.append(((*place, key), text))
    return found
