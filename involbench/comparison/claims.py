"""Test the claims of a spec on the results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.metrics import suggestion
from involbench.comparison.pairing import LEVEL, margin, minus, not_comparable, paired_values
from involbench.comparison.schema import (
    ClaimNumbers,
    ClaimResult,
    ClaimVerdict,
    Difference,
    ModelResult,
    Summary,
)
from involbench.comparison.validity import flattered_by_collapse
from involbench.spec.claims import Claim
from involbench.spec.sweep import sweep_points
from involbench.spec.trial import relevant_coordinates
from involbench.statistics.estimates import mean
from involbench.text import located

Sweep = Mapping[str, Sequence[Any]]
Results = list[ModelResult]
"""One operand of a claim: the results of its model, at all points that the claim is about."""
Pairs = dict[int, tuple[float, float]]
"""Seed -> the values of both models."""


def judge(claim: Claim, results: Sequence[ModelResult], sweep: Sweep) -> ClaimResult:
    """The verdict on a claim, with its evidence.

    At each sweep point that the claim is about, the pairs are tested like any comparison; counts
    are compared directly. A claim is supported if it is supported at every point, and refuted if
    it is refuted at one. All points of the sweep should have runs.
    """
    numbers, missing = _numbers(claim, results, sweep)
    verdicts = [each.verdict for each in numbers]
    verdict: ClaimVerdict = "undecided"
    if "refuted" in verdicts:
        verdict = "refuted"
    elif verdicts and not missing and set(verdicts) == {"supported"}:
        verdict = "supported"
    return ClaimResult(
        **claim.model_dump(exclude={"by"}),
        ratio=_given(claim, "ratio"),
        difference=_given(claim, "difference"),
        verdict=verdict,
        reason=missing or (_reason(numbers) if verdict == "undecided" else ""),
        numbers=tuple(numbers),
    )


def _given(claim: Claim, key: str) -> float | None:
    given = claim.by is not None and key in claim.by.model_fields_set
    return getattr(claim.by, key) if given else None


def _numbers(
    claim: Claim, results: Sequence[ModelResult], sweep: Sweep
) -> tuple[list[ClaimNumbers], str]:
    """The evidence at each point, and the first reason why it is incomplete."""
    greaters, lessers = (
        [result for result in results if result.model == model and _is_at(result.point, at, model)]
        for model, at in _models_with_coordinates(claim)
    )
    for name, operand in ((claim.greater, greaters), (claim.lesser, lessers)):
        if not any(_values(result, claim.metric) for result in operand):
            hint = suggestion(claim.metric)
            return [], f"no run of {name} has measured {claim.metric}{'; ' if hint else ''}{hint}"
    found, missing = list[ClaimNumbers](), list[str]()
    for greater, lesser in _operand_pairs(claim, greaters, lessers):
        pairs, fault = _pairs(claim, greater, lesser)
        missing += [fault] if fault else []
        if pairs:
            point = {**lesser.point, **greater.point}
            found.append(_numbers_at(point, claim, pairs, valid=not fault))
    for model, point in _missing_points(claim, greaters, lessers, sweep):
        missing.append(f"no run of {located(model, point)}")
    return found, next(iter(missing), "")


def _operand_pairs(
    claim: Claim, greaters: Results, lessers: Results
) -> list[tuple[ModelResult, ModelResult]]:
    """The results at the same points, except for the coordinates in `lesser_at`."""
    by_point: dict[str, Results] = {}
    for lesser in lessers:
        by_point.setdefault(_common_point(lesser.point, claim.greater, claim), []).append(lesser)
    return [
        (greater, lesser)
        for greater in greaters
        for lesser in by_point.get(_common_point(greater.point, claim.lesser, claim), [])
    ]


def _missing_points(
    claim: Claim, greaters: Results, lessers: Results, sweep: Sweep
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each model with the points where it has no run, but the sweep or the other model has one."""
    swept = sweep_points(sweep) if sweep else []
    conditions = _models_with_coordinates(claim)
    for (model, at), operand in zip(conditions, (greaters, lessers), strict=True):
        existing = {_key(result.point) for result in operand}
        for point in (relevant_coordinates(point, model) for point in swept):
            if _is_at(point, at, model) and _key(point) not in existing:
                yield model, point
    paired = {id(result) for pair in _operand_pairs(claim, greaters, lessers) for result in pair}
    for operand, (model, at) in zip((greaters, lessers), conditions[::-1], strict=True):
        for result in operand:
            if id(result) not in paired:
                yield model, relevant_coordinates({**result.point, **at}, model)


def _models_with_coordinates(claim: Claim) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Each model, with the coordinates where the claim is about it."""
    return (claim.greater, claim.at), (claim.lesser, {**claim.at, **claim.lesser_at})


def _is_at(point: Mapping[str, Any], at: Mapping[str, Any], model: str) -> bool:
    """Whether a point has the coordinates that concern the model."""
    return all(point.get(key) == value for key, value in relevant_coordinates(at, model).items())


def _common_point(point: Mapping[str, Any], other: str, claim: Claim) -> str:
    """The coordinates that concern the other model too, without those in `lesser_at`."""
    about = relevant_coordinates(point, other)
    return _key({key: value for key, value in about.items() if key not in claim.lesser_at})


def _key(point: Mapping[str, Any]) -> str:
    return repr(sorted(point.items()))


def _pairs(claim: Claim, greater: ModelResult, lesser: ModelResult) -> tuple[Pairs, str]:
    """The pairs of two results, and why they don't allow a verdict; empty where they do."""
    # A claim about other data may compare different images.
    other_images = any(key.startswith("data.") for key in claim.lesser_at)
    if why := not_comparable(greater, lesser, other_images):
        return {}, why
    why = flattered_by_collapse((greater, lesser), claim.metric)
    values, others = (_values(result, claim.metric) for result in (greater, lesser))
    if values is None or others is None:
        result = lesser if values else greater
        missing = f"no run of {located(result.model, result.point)} has measured {claim.metric}"
        return {}, why or missing
    pairs = paired_values(values, others)
    return pairs, why or (
        "" if pairs else f"{claim.greater} and {claim.lesser} have no seed in common"
    )


def _numbers_at(point: dict[str, object], claim: Claim, pairs: Pairs, valid: bool) -> ClaimNumbers:
    ratio, difference = _given(claim, "ratio") or 1.0, _given(claim, "difference") or 0.0
    beyond = margin(
        {s: minus(value, ratio * other + difference) for s, (value, other) in pairs.items()},
        claim.metric,
    )
    return ClaimNumbers(
        point=point,
        greater=mean([value for value, _ in pairs.values()]) or 0.0,
        lesser=mean([other for _, other in pairs.values()]) or 0.0,
        beyond=beyond,
        verdict=_verdict(beyond, claim) if valid else "undecided",
    )


def _verdict(beyond: Difference, claim: Claim) -> ClaimVerdict:
    if metric_called(claim.metric).exact and beyond.verdict == "equal":
        return "supported" if claim.by else "refuted"
    if beyond.verdict == "higher":
        return "supported"
    return "refuted" if beyond.verdict == "lower" else "undecided"


def _reason(numbers: Sequence[ClaimNumbers]) -> str:
    for beyond in (each.beyond for each in numbers):
        if beyond.verdict == "too few pairs":
            return "a verdict needs six pairs of seeds"
        if beyond.verdict == "undecided" and beyond.interval is not None:
            crosses = beyond.interval[0] <= 0 <= beyond.interval[1]
            return "the interval contains the claimed value" if crosses else f"p is above {LEVEL}"
    return ""


def _values(result: ModelResult, metric: str) -> Summary | None:
    summary = result.metrics.get(metric)
    return summary if summary is not None and summary.n else None
