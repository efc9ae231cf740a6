"""Which two results are compared, in which metrics; and two trained networks of one seed."""

from collections.abc import Collection, Sequence

import numpy as np

from involbench.comparison.differences import difference_of, without_verdict
from involbench.comparison.metrics import predictions_of
from involbench.comparison.schema import Difference, ModelResult, TrainedPair
from involbench.comparison.selection import Arm
from involbench.comparison.settings import describe_differences
from involbench.comparison.validity import no_verdict
from involbench.errors import UsageError
from involbench.results.arrays import StoredPredictions
from involbench.results.tree import SpecSummary
from involbench.statistics.hypothesis_tests import mcnemar_p
from involbench.text import suggest


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
    result: ModelResult,
    other: ModelResult,
    metrics: Collection[str] | None = None,
    by_pairs: bool = False,
) -> dict[str, Difference]:
    """One result minus another, in each of the metrics that both have.

    Metrics that depend on learning are compared over the runs that learned. There is no verdict on
    the time to an accuracy that some runs never reached, nor on a validation that was on the test
    images.
    """
    found = {}
    for metric in result.metrics:
        if metric in other.metrics and (metrics is None or metric in metrics):
            difference = difference_of(
                result.compared(metric), other.compared(metric), metric, by_pairs
            )
            why = no_verdict((result, other), metric)
            found[metric] = without_verdict(difference, why) if why else difference
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
