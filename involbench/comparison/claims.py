"""Test the claims of a spec on the results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import fmean
from typing import Any

from involbench.comparison.differences import (
    difference_of,
    excess,
    in_family,
    interaction_of,
    ratio_of,
    smallest_p_of,
    without_verdict,
)
from involbench.comparison.metrics import COLLAPSED, suggestion
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.pairing import not_comparable
from involbench.comparison.schema import (
    ClaimNumbers,
    ClaimResult,
    ClaimVerdict,
    Difference,
    ModelResult,
    ParameterCounts,
    Summary,
    Tested,
    WithoutHead,
)
from involbench.comparison.validity import no_verdict
from involbench.registry import MetricKind
from involbench.spec.claims import Claim
from involbench.spec.data import DataSpec
from involbench.spec.sweep import sweep_points
from involbench.spec.trial import relevant_coordinates
from involbench.statistics.power import runs_to_decide
from involbench.text import located

NO_INTERACTION = "an interaction is tested for what is learned, not for times, sizes and collapses"
"""Why a claim has no verdict."""

Sweep = Mapping[str, Sequence[Any]]
Results = list[ModelResult]
"""One operand of a claim: the results of its model, at all points that the claim is about."""


@dataclass(frozen=True)
class _Evidence:
    """What the results say of a claim."""

    numbers: tuple[ClaimNumbers, ...] = ()
    """At each point."""
    missing: str = ""
    """The first reason why it is incomplete."""
    results: tuple[ModelResult, ...] = ()
    """Those that the claim is about."""


def judge(
    claims: Sequence[Claim], results: Sequence[ModelResult], sweep: Sweep, by_pairs: bool = False
) -> tuple[ClaimResult, ...]:
    """The verdict on each claim, with its evidence.

    At each sweep point that a claim is about, the models are compared. Counts are compared
    directly, and times and sizes run by run. All else is tested like any comparison; the verdicts
    hold for all claims and points together (Holm). A claim is supported if it is supported at every
    point, and refuted if it is refuted at one. All points of the sweep should have runs.
    """
    evidence = [_evidence(claim, results, sweep, by_pairs) for claim in claims]
    tested = iter(in_family([each.beyond for found in evidence for each in found.numbers]))
    found = []
    for claim, its in zip(claims, evidence, strict=True):
        decided = []
        for each in its.numbers:
            beyond = next(tested)
            verdict = _verdict(beyond, claim)
            update = {"beyond": beyond, "verdict": verdict, "runs_to_decide": _to_decide(beyond)}
            decided.append(each.model_copy(update=update))
        found.append(_result(claim, decided, its))
    return tuple(found)


def _result(claim: Claim, numbers: Sequence[ClaimNumbers], evidence: _Evidence) -> ClaimResult:
    verdicts, missing = [each.verdict for each in numbers], evidence.missing
    verdict: ClaimVerdict = "undecided"
    if "refuted" in verdicts:
        verdict = "refuted"
    elif verdicts and not missing and set(verdicts) == {"supported"}:
        verdict = "supported"
    kind = metric_called(claim.metric).kind
    return ClaimResult(
        **claim.model_dump(exclude={"by"}),
        kind=kind,
        ratio=_given(claim, "ratio"),
        difference=_given(claim, "difference"),
        tested=_setting(evidence.results),
        verdict=verdict,
        reason=missing or (_reason(numbers, kind) if verdict == "undecided" else ""),
        numbers=tuple(numbers),
    )


def _setting(results: Sequence[ModelResult]) -> Tested | None:
    """In which setting these results were made; None if no run has a record of it."""
    examples = [each.example for each in results if each.example]
    if not examples:
        return None
    trials, runs = [each.trial for each in examples], [each.n_finished for each in results]
    return Tested(
        data=tuple(dict.fromkeys(data_name(each.data) for each in trials)),
        train_sizes=tuple(sorted({each.data.train_size for each in examples if each.data})),
        networks=tuple(dict.fromkeys(each.architecture.architecture for each in trials)),
        epochs=tuple(sorted({each.training.epochs for each in trials})),
        runs=(min(runs), max(runs)),
        machines=_machines(results),
    )


def data_name(data: DataSpec) -> str:
    """The dataset, or the name of the folder or file that it is read from."""
    return (PurePath(data.path).name if data.path else "") or data.dataset


def _machines(results: Iterable[ModelResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(machine for each in results for machine in each.machines))


def _given(claim: Claim, key: str) -> float | None:
    given = claim.by is not None and key in claim.by.model_fields_set
    return getattr(claim.by, key) if given else None


Pair = tuple[ModelResult, ModelResult]
"""The models that are claimed to have more and less, at one point."""


def _evidence(
    claim: Claim, results: Sequence[ModelResult], sweep: Sweep, by_pairs: bool
) -> _Evidence:
    if claim.interaction:
        return _interaction(claim, results, sweep)
    pairs, absent = _pairs(claim, results, sweep)
    found = [_numbers_at(claim, *pair, by_pairs) for pair in pairs]
    return _gathered(pairs, found, absent)


def _gathered(
    pairs: Sequence[Pair], found: Sequence[tuple[ClaimNumbers | None, str]], absent: str
) -> _Evidence:
    numbers = tuple(each for each, _ in found if each)
    missing = next((why for _, why in found if why), absent)
    return _Evidence(numbers, missing, tuple(result for pair in pairs for result in pair))


def can_interact(metric: str) -> bool:
    """Whether a difference of differences in a metric can be decided."""
    return metric != COLLAPSED and metric_called(metric).kind != "measured"


def _interaction(claim: Claim, results: Sequence[ModelResult], sweep: Sweep) -> _Evidence:
    """The evidence on a difference of two differences, at each point of the other swept keys."""
    if not can_interact(claim.metric):
        return _Evidence(missing=NO_INTERACTION)
    sides = []
    for point in claim.interaction:
        here = {"at": {**claim.at, **point}, "interaction": ()}
        sides.append(_pairs(claim.model_copy(update=here), results, sweep))
    (first, absent), (second, also_absent) = sides

    def rest(pair: Pair) -> str:
        return _key({k: v for k, v in _point_of(pair).items() if k not in claim.interaction[0]})

    others = {rest(pair): pair for pair in second}
    both = [(pair, others[rest(pair)]) for pair in first if rest(pair) in others]
    found = [_interaction_at(claim, *pairs) for pairs in both]
    return _gathered([*first, *second], found, absent or also_absent)


def _interaction_at(claim: Claim, first: Pair, second: Pair) -> tuple[ClaimNumbers | None, str]:
    """The evidence of two pairs of results, and why they don't allow a verdict."""
    every = (*first, *second)
    why = not_comparable(*first) or not_comparable(*second) or no_verdict(every, claim.metric)
    samples = [each.compared(claim.metric).values for each in every]
    if not all(samples):
        lacking = next(each for each, values in zip(every, samples, strict=True) if not values)
        return None, why or f"{located(lacking.model, lacking.point)} has no run that learned"
    a, b, c, d = map(fmean, samples)
    shift = _given(claim, "difference") or 0.0
    if metric_called(claim.metric).exact:
        this, other = Summary.of({0: a - b}), Summary.of({0: c - d + shift})
        beyond = difference_of(this, other, claim.metric)
    else:
        beyond = interaction_of(samples, shift)
    point = _point_of(first)
    numbers = ClaimNumbers(
        point={key: value for key, value in point.items() if key not in claim.interaction[0]},
        greater=a - b,
        lesser=c - d,
        beyond=without_verdict(beyond, why) if why else beyond,
        only_learned=any(claim.metric in each.learned for each in every),
        verdict="undecided",
    )
    return numbers, why


def _point_of(pair: Pair) -> dict[str, Any]:
    greater, lesser = pair
    return {**lesser.point, **greater.point}


def _pairs(claim: Claim, results: Sequence[ModelResult], sweep: Sweep) -> tuple[list[Pair], str]:
    """The two results at each point that a claim is about, and what is missing among them."""
    greaters, lessers = (
        [result for result in results if result.model == model and _is_at(result.point, at, model)]
        for model, at in _models_with_coordinates(claim)
    )
    for name, operand in ((claim.greater, greaters), (claim.lesser, lessers)):
        if not any(_has_values(result, claim.metric) for result in operand):
            hint = suggestion(claim.metric)
            return [], f"no run of {name} has measured {claim.metric}{'; ' if hint else ''}{hint}"
    absent = _missing_points(claim, greaters, lessers, sweep)
    missing = next((f"no run of {located(model, point)}" for model, point in absent), "")
    return _operand_pairs(claim, greaters, lessers), missing


def _operand_pairs(claim: Claim, greaters: Results, lessers: Results) -> list[Pair]:
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
    why = no_verdict((greater, lesser), claim.metric)
    for result in (greater, lesser):
        if not _has_values(result, claim.metric):
            where = located(result.model, result.point)
            return None, why or f"no run of {where} has measured {claim.metric}"
    values, others = greater.compared(claim.metric), lesser.compared(claim.metric)
    kind = metric_called(claim.metric).kind
    if kind == "measured" and len(machines := _machines((greater, lesser))) > 1:
        why = why or f"the runs are from different machines: {'; '.join(machines)}"
    ratio, difference = _given(claim, "ratio") or 1.0, _given(claim, "difference") or 0.0
    claimed = Summary.of(
        {s: None if v is None else ratio * v + difference for s, v in others.by_seed.items()}
    )
    beyond = excess(values, claimed, claim.metric, by_pairs)
    if beyond.mean is None:
        learned = "seed in common" if values.n and others.n else "run that learned"
        return None, why or f"{claim.greater} and {claim.lesser} have no {learned}"
    numbers = ClaimNumbers(
        point=_point_of((greater, lesser)),
        greater=values.mean or 0.0,
        lesser=others.mean or 0.0,
        beyond=without_verdict(beyond, why) if why else beyond,
        ratio=ratio_of(values.values, others.values) if kind == "measured" else None,
        without_head=_without_head(claim, greater, lesser),
        only_learned=any(claim.metric in each.learned for each in (greater, lesser)),
        verdict="undecided",
    )
    return numbers, why


def _without_head(claim: Claim, greater: ModelResult, lesser: ModelResult) -> WithoutHead | None:
    """Counts without the heads, with the verdict on them; None where they have no role."""
    counts = [_count_without_head(each.parameters, claim.metric) for each in (greater, lesser)]
    if None in counts:
        return None
    more, less = (count or 0 for count in counts)
    claimed = (_given(claim, "ratio") or 1.0) * less + (_given(claim, "difference") or 0.0)
    holds = more > claimed or (more == claimed and claim.by is not None)
    return WithoutHead(greater=more, lesser=less, verdict="supported" if holds else "refuted")


def _count_without_head(counts: ParameterCounts | None, metric: str) -> int | None:
    if counts is None:
        return None
    head = counts.by_role.get("head", 0)
    match metric:
        case "trainable_parameters":
            return counts.trainable - head
        case "total_parameters":
            return counts.total - head
        case "macs" if counts.macs is not None and counts.macs_by_role is not None:
            return counts.macs - counts.macs_by_role.get("head", 0)
    return None


def _verdict(beyond: Difference, claim: Claim) -> ClaimVerdict:
    if metric_called(claim.metric).exact and beyond.verdict == "equal":
        return "supported" if claim.by else "refuted"
    if beyond.verdict == "higher":
        return "supported"
    return "refuted" if beyond.verdict == "lower" else "undecided"


def _to_decide(beyond: Difference) -> int | None:
    """How many runs of each model would give a verdict, where there is none."""
    if beyond.verdict not in ("undecided", "too few runs") or beyond.p is None:
        return None
    return runs_to_decide(
        beyond.mean or 0.0,
        beyond.samples,
        1 - beyond.level,
        lambda runs: smallest_p_of(beyond.design, runs, runs),
    )


def _reason(numbers: Sequence[ClaimNumbers], kind: MetricKind) -> str:
    few, mixed = "so few runs can't give a verdict", "the interval contains the claimed value"
    if kind == "measured":
        few = "so few runs don't show the spread"
        mixed = "some runs are above the claimed value and some below"
    verdicts = [each.beyond.verdict for each in numbers]
    if not {"too few runs", "undecided"}.intersection(verdicts):
        return ""
    reason = few if "too few runs" in verdicts else mixed
    known = [each.runs_to_decide for each in numbers if each.verdict == "undecided"]
    if None in known:
        return reason
    most = max(runs or 0 for runs in known)
    learn = " that learn" * any(each.only_learned for each in numbers)
    seeds = f"{most:,} seeds of each{learn}"
    return f"{reason}; if the difference is what it is here, {seeds} decide it four times in five"


def _has_values(result: ModelResult, metric: str) -> bool:
    return metric in result.metrics and result.metrics[metric].n > 0
