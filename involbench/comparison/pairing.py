"""Which two results are compared, and in which metrics."""

from collections.abc import Collection, Sequence

from involbench.comparison.differences import ALPHA, difference_of, without_verdict
from involbench.comparison.metrics import COLLAPSED
from involbench.comparison.schema import Difference, ModelResult
from involbench.comparison.settings import describe_differences
from involbench.comparison.validity import no_verdict
from involbench.errors import UsageError
from involbench.results.tree import SpecSummary
from involbench.text import suggest


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
    in_family: bool = False,
) -> dict[str, Difference]:
    """One result minus another, in each of the metrics that both have.

    Metrics that depend on learning are compared over the runs that learned. There is no verdict on
    the time to an accuracy that some runs never reached, nor on a validation that was on the test
    images.

    With `in_family`, differences have a p only, and `differences.in_family` must follow. Shares of
    collapsed runs are complete, because they are in no family where no run collapsed.
    """
    found = {}
    for metric in result.metrics:
        if metric in other.metrics and (metrics is None or metric in metrics):
            why = no_verdict((result, other), metric)
            alpha = 0.0 if in_family and metric != COLLAPSED and not why else ALPHA
            sides = result.compared(metric), other.compared(metric)
            difference = difference_of(*sides, metric, by_pairs, alpha)
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
