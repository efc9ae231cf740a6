"""The difference of two models, paired by seed, and its verdict."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.metrics import predictions_of
from involbench.comparison.schema import Difference, ModelResult, Summary, TrainedPair, Verdict
from involbench.comparison.selection import Arm
from involbench.comparison.settings import describe_differences
from involbench.comparison.validity import flattered_by_collapse
from involbench.errors import UsageError
from involbench.results.arrays import StoredPredictions
from involbench.results.tree import SpecSummary
from involbench.statistics.estimates import SMALLEST_SAMPLE, bca_interval
from involbench.statistics.hypothesis_tests import (
    EXACT_UP_TO,
    holm,
    mcnemar_p,
    sign_flip_p,
    smallest_p,
)
from involbench.text import suggest

PAIRS_FOR_A_VERDICT = 6
"""With five, the smallest possible p is 2/2^5, which is above 0.05."""
LEVEL = 0.05


def verdict(pairs: int, mean: float, low: float, high: float, p: float) -> Verdict:
    """The verdict on paired differences, from their mean, its 95% interval and the sign-flip p.

    With six pairs or more, it is a direction if the 95% interval excludes zero and p is at most
    0.05. It needs both: the interval of six pairs is too narrow, and p says nothing about a skewed
    distribution. `make calibrate` shows the false verdicts of each.
    """
    if pairs < PAIRS_FOR_A_VERDICT:
        return "too few pairs"
    if low <= 0 <= high or p > LEVEL:
        return "undecided"
    return "higher" if mean > 0 else "lower"


def paired_difference(these: Summary, baseline: Summary, metric: str = "") -> Difference:
    """One model minus another, over the seeds where both have a value."""
    pairs = {
        seed: minus(value, other) for seed, (value, other) in paired_values(these, baseline).items()
    }
    seeds = {*these.by_seed, *baseline.by_seed} if these.n or baseline.n else set[int]()
    summary = Summary.of(pairs)
    values = [value for value in summary.by_seed.values() if value is not None]
    known, missing = metric_called(metric), tuple(sorted(seeds - set(pairs)))
    fields = {**summary.model_dump(), "missing_seeds": missing}
    if known.exact or not values:
        mean = summary.mean or 0.0
        counted: Verdict = "equal" if mean == 0 else "higher" if mean > 0 else "lower"
        return Difference(**fields, verdict="too few pairs" if summary.mean is None else counted)
    better = [-value for value in values] if known.better == "lower" else values
    return Difference(**fields, superiority=_superiority(better), **_inference(values))


def paired_values(these: Summary, others: Summary) -> dict[int, tuple[float, float]]:
    """Seed -> both values, for the seeds where both have one."""
    return {
        seed: (value, other)
        for seed, value in these.by_seed.items()
        if value is not None and (other := others.by_seed.get(seed)) is not None
    }


def minus(value: float, other: float) -> float:
    """The difference; 0 where it is only a rounding error, as between 0.3 - 0.2 and 0.2 - 0.1."""
    return 0.0 if math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12) else value - other


def margin(excess: Mapping[int, float], metric: str) -> Difference:
    """Test whether each pair is above a claimed value; the superior pairs are those above it.

    `excess` has, for each seed, how far the pair is above the claimed value.
    """
    found = paired_difference(Summary.of(excess), Summary.of(dict.fromkeys(excess, 0.0)), metric)
    if found.superiority is None:
        return found
    values = [value for value in found.by_seed.values() if value is not None]
    return found.model_copy(update={"superiority": _superiority(values)})


def _inference(values: Sequence[float]) -> dict[str, Any]:
    """Interval, p, verdict and notes."""
    sample = np.asarray([values])
    pairs, mean, p = len(values), float(sample.mean()), float(sign_flip_p(sample)[0])
    found: dict[str, Any] = {"p": p, "smallest_p": smallest_p(pairs)}
    if pairs < SMALLEST_SAMPLE:
        return {**found, "verdict": "too few pairs", "notes": ()}
    low, high = (float(end[0]) for end in bca_interval(sample))
    return {
        **found,
        "interval": (low, high),
        "verdict": verdict(pairs, mean, low, high, p),
        "notes": _notes(values, low, high),
    }


def _notes(values: Sequence[float], low: float, high: float) -> tuple[str, ...]:
    notes = []
    if not any(values):
        notes.append("both models are equal in every pair")
    elif low == high:
        notes.append("all differences are equal, so the interval has no width")
    if len(values) > EXACT_UP_TO:
        notes.append(f"p is from {2**EXACT_UP_TO:,} random sign patterns with a fixed seed")
    return tuple(notes)


def _superiority(better: Sequence[float]) -> float:
    return sum(1.0 if value > 0 else 0.5 if value == 0 else 0.0 for value in better) / len(better)


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """The differences, with each p corrected for their number."""
    adjusted = iter(holm([each.p for each in differences if each.p is not None]))
    return [
        each if each.p is None else each.model_copy(update={"p_holm": next(adjusted)})
        for each in differences
    ]


def mcnemar(this: StoredPredictions, baseline: StoredPredictions) -> TrainedPair | None:
    """Compare the predictions of two trained networks; None if their labels differ."""
    if not np.array_equal(this.labels, baseline.labels):
        return None
    correct, correct_baseline = (each.predicted == each.labels for each in (this, baseline))
    only_this = int(np.sum(correct & ~correct_baseline))
    only_baseline = int(np.sum(correct_baseline & ~correct))
    return TrainedPair(
        images=len(correct),
        only_this_right=only_this,
        only_baseline_right=only_baseline,
        p=mcnemar_p(only_this, only_baseline),
    )


def trained_pair(this: Arm, other: Arm, seed: int, warnings: list[str]) -> TrainedPair | None:
    """Compare the predictions of the runs of one seed; None where predictions are missing."""
    first, second = (
        predictions_of(run, warnings)
        for arm in (this, other)
        for run in arm.finished
        if run.record.trial.seed == seed
    )
    if first is None or second is None:
        return None
    pair = mcnemar(first, second)
    if pair is None:
        warnings.append(f"{this.model} and {other.model} have different test labels")
    return pair


def choose_baseline(
    experiment: str, models: Sequence[str], requested: str | None, spec: SpecSummary
) -> tuple[str | None, list[str]]:
    """The baseline: the requested model, that of the spec, or the first model; and warnings.

    Raises:
        UsageError: The requested model has no run.
    """
    if requested is not None and requested not in models:
        hint = suggest(requested, models) if models else "it has no runs"
        raise UsageError(f"--baseline {requested}: {experiment} has no run of that model; {hint}")
    stated, first = spec.baseline, next(iter(models), None)
    if requested is None and stated and first and stated not in models:
        return first, [f"the baseline of the spec, {stated}, has no run; {first} takes its place"]
    return requested or (stated if stated in models else first), []


def metric_differences(
    result: ModelResult, other: ModelResult, metrics: Collection[str] | None = None
) -> dict[str, Difference]:
    """One result minus another, in each of the metrics that both have.

    There is no verdict where the metric favors runs that learned nothing, and there are such runs.
    """
    found = {}
    for metric, summary in result.metrics.items():
        if metric in other.metrics and (metrics is None or metric in metrics):
            difference = paired_difference(summary, other.metrics[metric], metric)
            if why := flattered_by_collapse((result, other), metric):
                notes = (*difference.notes, f"no verdict, because {why}")
                decided = difference.verdict in ("higher", "lower")
                verdict = "undecided" if decided else difference.verdict
                update = {"verdict": verdict, "notes": notes}
                difference = difference.model_copy(update=update)
            found[metric] = difference
    return found


def not_comparable(result: ModelResult, other: ModelResult, other_images: bool = False) -> str:
    """Why two results of one folder can't be compared; empty where they can.

    With `other_images` they may have different images.
    """
    if not (other_images or same_images(result, other)):
        return f"{result.model} and {other.model} have different images"
    known = result.experiments and other.experiments
    if known and not result.experiments & other.experiments:
        return f"{result.model} and {other.model} are from different experiments"
    return ""


def same_images(result: ModelResult, other: ModelResult) -> bool:
    """Whether both have the same dataset, as far as their records tell."""
    known = {result.fingerprint, other.fingerprint} - {None}
    return len(known) < 2


def protocol_difference(result: ModelResult, other: ModelResult) -> str:
    """How the settings of two results differ: `training.epochs 100, not 20`."""
    if not (result.protocol and other.protocol):
        return ""
    return describe_differences([result.protocol], other.protocol)
