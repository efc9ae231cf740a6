"""Test the claims of a spec on the results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from involbench.comparison.differences import excess, in_family, without_verdict
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.metrics import suggestion
from involbench.comparison.pairing import not_comparable
from involbench.comparison.schema import (
    ClaimNumbers,
    ClaimResult,
    ClaimVerdict,
    Difference,
    ModelResult,
    Summary,
)
from involbench.comparison.validity import never_reached
from involbench.spec.claims import Claim
from involbench.spec.sweep import sweep_points
from involbench.spec.trial import relevant_coordinates
from involbench.text import located

Sweep = Mapping[str, Sequence[Any]]
Results = list[ModelResult]
"""One operand of a claim: the results of its model, at all points that the claim is about."""


def judge(
    claims: Sequence[Claim], results: Sequence[ModelResult], sweep: Sweep, by_pairs: bool = False
) -> tuple[ClaimResult, ...]:
    """The verdict on each claim, with its evidence.

    At each sweep point that a claim is about, the models are tested like any comparison; the
    verdicts hold for all claims and points together (Holm). Counts are compared directly. A claim
    is supported if it is supported at every point, and refuted if it is refuted at one. All points
    of the sweep should have runs.
    """
    evidence = [_numbers(claim, results, sweep, by_pairs) for claim in claims]
    tested = iter(in_family([each.beyond for numbers, _ in evidence for each in numbers]))
    found = []
    for claim, (numbers, missing) in zip(claims, evidence, strict=True):
        decided = []
        for each in numbers:
            beyond = next(tested)
            update = {"beyond": beyond, "verdict": _verdict(beyond, claim)}
            decided.append(each.model_copy(update=update))
        found.append(_result(claim, decided, missing))
    return tuple(found)


def _result(claim: Claim, numbers: Sequence[ClaimNumbers], missing: str) -> ClaimResult:
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
    claim: Claim, results: Sequence[ModelResult], sweep: Sweep, by_pairs: bool
) -> tuple[list[ClaimNumbers], str]:
    """The evidence at each point, and the first reason why it is incomplete."""
    greaters, lessers = (
        [result for result in results if result.model == model and _is_at(result.point, at, model)]
        for model, at in _models_with_coordinates(claim)
    )
    for name, operand in ((claim.greater, greaters), (claim.lesser, lessers)):
        if not any(_has_values(result, claim.metric) for result in operand):
            hint = suggestion(claim.metric)
            return [], f"no run of {name} has measured {claim.metric}{'; ' if hint else ''}{hint}"
    found, missing = list[ClaimNumbers](), list[str]()
    for greater, lesser in _operand_pairs(claim, greaters, lessers):
        numbers, fault = _numbers_at(claim, greater, lesser, by_pairs)
        missing += [fault] if fault else []
        found += [numbers] if numbers else []
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


def _numbers_at(
    claim: Claim, greater: ModelResult, lesser: ModelResult, by_pairs: bool
) -> tuple[ClaimNumbers | None, str]:
    """The evidence of two results, and why they don't allow a verdict; empty where they do."""
    # A claim about other data may compare different images.
    other_images = any(key.startswith("data.") for key in claim.lesser_at)
    if why := not_comparable(greater, lesser, other_images):
        return None, why
    why = never_reached((greater, lesser), claim.metric)
    for result in (greater, lesser):
        if not _has_values(result, claim.metric):
            where = located(result.model, result.point)
            return None, why or f"no run of {where} has measured {claim.metric}"
    values, others = greater.compared(claim.metric), lesser.compared(claim.metric)
    ratio, difference = _given(claim, "ratio") or 1.0, _given(claim, "difference") or 0.0
    claimed = Summary.of(
        {s: None if v is None else ratio * v + difference for s, v in others.by_seed.items()}
    )
    beyond = excess(values, claimed, claim.metric, by_pairs)
    if beyond.mean is None:
        learned = "seed in common" if values.n and others.n else "run that learned"
        return None, why or f"{claim.greater} and {claim.lesser} have no {learned}"
    numbers = ClaimNumbers(
        point={**lesser.point, **greater.point},
        greater=values.mean or 0.0,
        lesser=others.mean or 0.0,
        beyond=without_verdict(beyond, why) if why else beyond,
        only_learned=any(claim.metric in each.learned for each in (greater, lesser)),
        verdict="undecided",
    )
    return numbers, why


def _verdict(beyond: Difference, claim: Claim) -> ClaimVerdict:
    if metric_called(claim.metric).exact and beyond.verdict == "equal":
        return "supported" if claim.by else "refuted"
    if beyond.verdict == "higher":
        return "supported"
    return "refuted" if beyond.verdict == "lower" else "undecided"


def _reason(numbers: Sequence[ClaimNumbers]) -> str:
    for beyond in (each.beyond for each in numbers):
        if beyond.verdict == "too few runs":
            return "so few runs can't give a verdict"
        if beyond.verdict == "undecided":
            return "the interval contains the claimed value"
    return ""


def _has_values(result: ModelResult, metric: str) -> bool:
    return metric in result.metrics and result.metrics[metric].n > 0
