"""A claim, held against the results."""

from collections.abc import Mapping, Sequence
from typing import Any

from involbench.analysis.comparison import (
    ClaimNumbers,
    ClaimResult,
    ClaimVerdict,
    Difference,
    ModelResult,
    Summary,
)
from involbench.analysis.metrics import metric as metric_called
from involbench.analysis.metrics import suggestion
from involbench.analysis.paired import excess, minus
from involbench.analysis.pairing import same_images
from involbench.analysis.summary import mean
from involbench.analysis.verdict import LEVEL
from involbench.spec.claims import Claim
from involbench.spec.targets import takes_target
from involbench.spec.trial import concerning

Pairs = dict[int, tuple[float, float]]
"""Seed -> the values of both models."""


def judge(claim: Claim, results: Sequence[ModelResult]) -> ClaimResult:
    """The verdict on a claim, and the numbers that it rests on.

    At each sweep point that the claim is about, the pairs are held against what is claimed by
    the same rule as any comparison; counts, which have no spread, directly. The claim is supported
    where it is at every point, and refuted where it is at one.

    Args:
        claim: The claim.
        results: All models of the experiment at all points of its sweep.
    """
    numbers, missing = _numbers(claim, results)
    verdicts = [each.verdict for each in numbers]
    verdict: ClaimVerdict = "undecided"
    if "refuted" in verdicts and not (missing and _flatters_those_left(claim.metric)):
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


def _numbers(claim: Claim, results: Sequence[ModelResult]) -> tuple[list[ClaimNumbers], str]:
    """What there is at each point, and what is missing, if anything is."""
    found, missing = [], ""
    greaters = [r for r in results if r.model == claim.greater and _is_at(r, claim.at)]
    elsewhere = {**claim.at, **claim.lesser_at}
    lessers = [r for r in results if r.model == claim.lesser and _is_at(r, elsewhere)]
    for name, side in ((claim.greater, greaters), (claim.lesser, lessers)):
        if not any(_values(result, claim.metric) for result in side):
            how = suggestion(claim.metric)
            return [], f"no run of {name} has measured {claim.metric}{'; ' if how else ''}{how}"
    for greater in greaters:
        for lesser in lessers:
            if not _side_by_side(greater, lesser, claim):
                continue
            values = [_values(result, claim.metric) for result in (greater, lesser)]
            other_data = any(key.startswith("data.") for key in claim.lesser_at)
            if not other_data and not same_images(greater, lesser):
                missing = f"{claim.greater} and {claim.lesser} saw different images"
                continue
            pairs = _pairs(*values)
            unfit = _unfit((greater, lesser), claim.metric)
            if not pairs:
                missing = unfit or f"{claim.greater} and {claim.lesser} have no seed in common"
                continue
            found.append(_at_point(claim, {**lesser.point, **greater.point}, pairs))
            missing = missing or unfit
    return found, missing or ("" if found else "the two are at no point of the sweep together")


def _pairs(greater: Summary | None, lesser: Summary | None) -> Pairs:
    if greater is None or lesser is None:
        return {}
    return {
        seed: (value, other)
        for seed, value in greater.by_seed.items()
        if value is not None and (other := lesser.by_seed.get(seed)) is not None
    }


def _flatters_those_left(metric: str) -> bool:
    """Whether runs that learned badly have no value of it, or the best one."""
    return metric_called(metric).best_of_nothing or takes_target(metric)


def _unfit(results: Sequence[ModelResult], metric: str) -> str:
    """Why a metric that flatters cannot be judged, if some runs learned too badly for it."""
    if metric_called(metric).best_of_nothing:
        counts = [each.n_collapsed for each in results]
        why = "collapsed, and a constant network has nothing to lose"
    elif takes_target(metric):
        counts = [each.n_finished - each.metrics[metric].n for each in results]
        why = "never reached the accuracy"
    else:
        return ""
    those = [
        f"{count} of {each.model}" + "".join(f", {k} = {v}" for k, v in each.point.items())
        for count, each in zip(counts, results, strict=True)
        if count
    ]
    which = " and ".join(dict.fromkeys(those))
    return f"{which} {why}" if which else ""


def _at_point(claim: Claim, point: dict[str, object], pairs: Pairs) -> ClaimNumbers:
    ratio, difference = _given(claim, "ratio") or 1.0, _given(claim, "difference") or 0.0
    found = excess(
        {s: minus(value, ratio * other + difference) for s, (value, other) in pairs.items()},
        claim.metric,
    )
    return ClaimNumbers(
        point=point,
        greater=mean([value for value, _ in pairs.values()]) or 0.0,
        lesser=mean([other for _, other in pairs.values()]) or 0.0,
        beyond=found,
        verdict=_verdict(found, claim),
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


def _is_at(result: ModelResult, point: Mapping[str, Any]) -> bool:
    """Whether it is at a point, as far as the point's coordinates concern it."""
    about = concerning(point, result.model)
    return all(result.point.get(key) == value for key, value in about.items())


def _side_by_side(greater: ModelResult, lesser: ModelResult, claim: Claim) -> bool:
    """Whether both are at the same point, but for where the claim wants them apart."""
    ours, theirs = (
        {key: value for key, value in concerning(one, other).items() if key not in claim.lesser_at}
        for one, other in ((greater.point, lesser.model), (lesser.point, greater.model))
    )
    return ours == theirs
