"""A claim, tested against the results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.metrics import suggestion
from involbench.comparison.pairing import LEVEL, apart, margin, minus
from involbench.comparison.schema import (
    ClaimNumbers,
    ClaimResult,
    ClaimVerdict,
    Difference,
    ModelResult,
    Summary,
)
from involbench.comparison.summary import mean
from involbench.comparison.validity import flattered_by_collapse
from involbench.spec.claims import Claim
from involbench.spec.sweep import points
from involbench.spec.trial import relevant_coordinates
from involbench.text import located

Sweep = Mapping[str, Sequence[Any]]
Side = list[ModelResult]
"""One of a claim's two models, at all points that the claim is about."""


def sides(claim: Claim, results: Sequence[ModelResult]) -> tuple[Side, Side]:
    """The results of the model that is to have more, and of the other one."""
    greaters, lessers = (
        [result for result in results if result.model == model and _is_at(result.point, at, model)]
        for model, at in _places(claim)
    )
    return greaters, lessers


def side_by_side(
    claim: Claim, greaters: Side, lessers: Side
) -> list[tuple[ModelResult, ModelResult]]:
    """The two at the same points, but for where the claim wants them apart."""
    there: dict[str, Side] = {}
    for lesser in lessers:
        there.setdefault(_shared(lesser.point, claim.greater, claim), []).append(lesser)
    return [
        (greater, lesser)
        for greater in greaters
        for lesser in there.get(_shared(greater.point, claim.lesser, claim), [])
    ]


def points_without(
    claim: Claim, greaters: Side, lessers: Side, sweep: Sweep
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The points at which one of the two models has no run, with that model.

    They are those of the spec's sweep, and those that go with a run of the other model.
    """
    swept = points(sweep) if sweep else []
    for (model, at), there in zip(_places(claim), (greaters, lessers), strict=True):
        have = {_key(result.point) for result in there}
        for point in (relevant_coordinates(point, model) for point in swept):
            if _is_at(point, at, model) and _key(point) not in have:
                yield model, point
    paired = {id(result) for pair in side_by_side(claim, greaters, lessers) for result in pair}
    more, less = _places(claim)
    for side, (model, at) in ((greaters, less), (lessers, more)):
        for result in side:
            if id(result) not in paired:
                yield model, relevant_coordinates({**result.point, **at}, model)


def _places(claim: Claim) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Each model with where the claim is about it."""
    return (claim.greater, claim.at), (claim.lesser, {**claim.at, **claim.lesser_at})


def _is_at(point: Mapping[str, Any], at: Mapping[str, Any], model: str) -> bool:
    """Whether a point is one of those meant, as far as these concern the model."""
    return all(point.get(key) == value for key, value in relevant_coordinates(at, model).items())


def _shared(point: Mapping[str, Any], other: str, claim: Claim) -> str:
    """What of a point the other model has too, but for where the claim wants them apart."""
    about = relevant_coordinates(point, other)
    return _key({key: value for key, value in about.items() if key not in claim.lesser_at})


def _key(point: Mapping[str, Any]) -> str:
    return repr(sorted(point.items()))


Pairs = dict[int, tuple[float, float]]
"""Seed -> the values of both models."""


def judge(claim: Claim, results: Sequence[ModelResult], sweep: Sweep) -> ClaimResult:
    """The verdict on a claim, and the numbers that it rests on.

    At each sweep point that the claim is about, the pairs are held against what is claimed by
    the same rule as any comparison; counts, which have no spread, directly. The claim is supported
    where it is at every point, and refuted where it is at one.

    Args:
        claim: The claim.
        results: All models of the experiment at all points of its sweep.
        sweep: The spec's, at all points of which there should be runs.
    """
    numbers, missing = _numbers(claim, results, sweep)
    verdicts = [each.verdict for each in numbers]
    verdict: ClaimVerdict = "undecided"
    if "refuted" in verdicts:
        verdict = "refuted"
    elif verdicts and not missing and set(verdicts) == {"supported"}:
        verdict = "supported"
    return ClaimResult(
        says=claim.says,
        source=claim.source,
        metric=claim.metric,
        greater=claim.greater,
        lesser=claim.lesser,
        ratio=_given(claim, "ratio"),
        difference=_given(claim, "difference"),
        at=claim.at,
        lesser_at=claim.lesser_at,
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
    """What there is at each point, and what is missing, if anything is."""
    greaters, lessers = sides(claim, results)
    for name, side in ((claim.greater, greaters), (claim.lesser, lessers)):
        if not any(_values(result, claim.metric) for result in side):
            how = suggestion(claim.metric)
            return [], f"no run of {name} has measured {claim.metric}{'; ' if how else ''}{how}"
    found, missing = list[ClaimNumbers](), list[str]()
    for greater, lesser in side_by_side(claim, greaters, lessers):
        pairs = _pairs(claim, greater, lesser)
        fault = _not_to_be_held(claim, greater, lesser, pairs)
        missing += [fault] if fault else []
        if pairs:
            found.append(_at_point(claim, {**lesser.point, **greater.point}, pairs, not fault))
    for model, point in points_without(claim, greaters, lessers, sweep):
        missing.append(f"no run of {located(model, point)}")
    return found, next(iter(missing), "")


def _not_to_be_held(claim: Claim, greater: ModelResult, lesser: ModelResult, pairs: Pairs) -> str:
    """Why two results say nothing of a claim, or not all; empty where they do."""
    if why := _apart(claim, greater, lesser):
        return why
    if fault := flattered_by_collapse((greater, lesser), claim.metric):
        return fault
    for result in (greater, lesser):
        if not _values(result, claim.metric):
            which = located(result.model, result.point)
            return f"no run of {which} has measured {claim.metric}"
    return "" if pairs else f"{claim.greater} and {claim.lesser} have no seed in common"


def _pairs(claim: Claim, greater: ModelResult, lesser: ModelResult) -> Pairs:
    """The seeds of which both have a value; none where they are apart."""
    these, those = (_values(result, claim.metric) for result in (greater, lesser))
    if these is None or those is None or _apart(claim, greater, lesser):
        return {}
    return {
        seed: (value, other)
        for seed, value in these.by_seed.items()
        if value is not None and (other := those.by_seed.get(seed)) is not None
    }


def _apart(claim: Claim, greater: ModelResult, lesser: ModelResult) -> str:
    """Why the two cannot be held against each other, but for other images that the claim wants."""
    wanted = any(key.startswith("data.") for key in claim.lesser_at)
    return apart(greater, lesser, other_images=wanted)


def _at_point(
    claim: Claim, point: dict[str, object], pairs: Pairs, to_be_judged: bool
) -> ClaimNumbers:
    ratio, difference = _given(claim, "ratio") or 1.0, _given(claim, "difference") or 0.0
    found = margin(
        {s: minus(value, ratio * other + difference) for s, (value, other) in pairs.items()},
        claim.metric,
    )
    return ClaimNumbers(
        point=point,
        greater=mean([value for value, _ in pairs.values()]) or 0.0,
        lesser=mean([other for _, other in pairs.values()]) or 0.0,
        beyond=found,
        verdict=_verdict(found, claim) if to_be_judged else "undecided",
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
            return "fewer than six pairs give an estimate but no verdict"
        if beyond.verdict == "undecided" and beyond.interval is not None:
            crosses = beyond.interval[0] <= 0 <= beyond.interval[1]
            return "the interval crosses what is claimed" if crosses else f"p is above {LEVEL}"
    return ""


def _values(result: ModelResult, metric: str) -> Summary | None:
    summary = result.metrics.get(metric)
    return summary if summary is not None and summary.n else None
