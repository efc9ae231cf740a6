"""Which result each model is held against, and by how much it differs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from involbench.analysis.comparison import Difference, ModelResult
from involbench.analysis.paired import paired_difference
from involbench.errors import UsageError
from involbench.results.outline import Outline
from involbench.spec.trial import concerning


def choose_baseline(
    experiment: str, models: Sequence[str], wanted: str | None, outline: Outline
) -> str | None:
    """The model to hold the others against: the one wanted, the spec's, or the first.

    Raises:
        UsageError: There is no run of the model wanted.
    """
    if wanted is None:
        return outline.baseline if outline.baseline in models else next(iter(models), None)
    if wanted not in models:
        near = get_close_matches(wanted, models, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(models) or 'none'}"
        raise UsageError(f"--baseline {wanted}: {experiment} has no run of that model; {hint}")
    return wanted


@dataclass(frozen=True)
class Held:
    """A result held against the baseline's."""

    place: int
    """Of the baseline's result among all."""
    against: dict[str, Difference]
    """Metric -> difference."""


def differences(
    result: ModelResult,
    results: Sequence[ModelResult],
    baseline: str | None,
    metrics: Collection[str] | None = None,
) -> tuple[Held | None, list[str]]:
    """Each metric of a result minus the baseline's, paired by seed, at the same sweep point.

    A coordinate such as `models.inn.kernel_size` concerns only inn, so the other models have one
    result for all its values. Where the baseline has several results for one of another model,
    none of them is the one to take, and a warning says so; likewise where the two were not
    tested on the same images.
    """
    if baseline is None or result.model == baseline:
        return None, []
    wanted = concerning(result.point, baseline)
    matching = [
        place
        for place, other in enumerate(results)
        if other.model == baseline and concerning(other.point, result.model) == wanted
    ]
    if not matching:
        return None, []
    name, other = result.model, results[matching[0]]
    if len(matching) > 1:
        count = len(matching)
        return None, [f"{name} has no difference: {baseline} has {count} sweep points to it"]
    if not same_images(result, other):
        return None, [f"{name} has no difference: its images are not those of {baseline}"]
    return Held(matching[0], metric_differences(result, other, metrics)), []


def metric_differences(
    result: ModelResult, other: ModelResult, metrics: Collection[str] | None = None
) -> dict[str, Difference]:
    """Each of the metrics, or all, that both have: the result's minus the other's."""
    return {
        metric: paired_difference(summary, other.metrics[metric], metric)
        for metric, summary in result.metrics.items()
        if metric in other.metrics and (metrics is None or metric in metrics)
    }


def same_images(result: ModelResult, other: ModelResult) -> bool:
    """Whether both saw the same dataset, as far as they tell."""
    known = {result.fingerprint, other.fingerprint} - {None}
    return len(known) < 2
