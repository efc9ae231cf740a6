"""Which result each model is held against, and by how much it differs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from involbench.analysis.comparison import Difference, ModelResult
from involbench.analysis.paired import paired_difference, without_verdict
from involbench.analysis.settings import describe_differences
from involbench.analysis.unfit import unfit
from involbench.errors import UsageError
from involbench.results.outline import Outline
from involbench.spec.trial import shared_coordinates
from involbench.spec.wording import suggest


def choose_baseline(
    experiment: str, models: Sequence[str], wanted: str | None, outline: Outline
) -> tuple[str | None, list[str]]:
    """The model to hold the others against, and a warning where it is not the spec's.

    It is the one wanted, the spec's, or the first.

    Raises:
        UsageError: There is no run of the model wanted.
    """
    if wanted is not None and wanted not in models:
        hint = suggest(wanted, models) if models else "it has no runs"
        raise UsageError(f"--baseline {wanted}: {experiment} has no run of that model; {hint}")
    said, first = outline.baseline, next(iter(models), None)
    if wanted is None and said and first and said not in models:
        return first, [f"no run of the spec's baseline {said}: the others are held against {first}"]
    return wanted or (said if said in models else first), []


@dataclass(frozen=True)
class Held:
    """A result held against the baseline's."""

    place: int
    """Of the baseline's result among all."""
    against: dict[str, Difference]
    """Metric -> difference."""


class Baseline:
    """The results of the model that the others are held against, found by their sweep point.

    Args:
        results: Of all models.
        model: The baseline; None where there is none.
    """

    def __init__(self, results: Sequence[ModelResult], model: str | None) -> None:
        self.model = model
        self.results = results
        self._places: dict[str, list[int]] = {}
        for place, result in enumerate(results):
            if result.model == model:
                self._places.setdefault(_key(result), []).append(place)

    def places_for(self, result: ModelResult) -> list[int]:
        """Where the baseline's results at the point of another model's are.

        A coordinate of one model alone is no part of what the two have in common.
        """
        return self._places.get(_key(result), [])


def differences(
    result: ModelResult, baseline: Baseline, metrics: Collection[str] | None = None
) -> tuple[Held | None, list[str]]:
    """Each metric of a result minus the baseline's, paired by seed, at the same sweep point.

    A coordinate such as `models.inn.kernel_size` concerns only inn, so the other models have one
    result for all its values. Where the baseline has several results for one of another model,
    none of them is the one to take, and a warning says so; likewise where the two are apart.
    """
    matching = baseline.places_for(result)
    if result.model == baseline.model or not matching:
        return None, []
    name, other = result.model, baseline.results[matching[0]]
    if len(matching) > 1:
        count = len(matching)
        return None, [f"{name} has no difference: {baseline.model} has {count} sweep points to it"]
    if why := apart(result, other):
        return None, [f"{name} has no difference: {why}"]
    return Held(matching[0], metric_differences(result, other, metrics)), []


def metric_differences(
    result: ModelResult, other: ModelResult, metrics: Collection[str] | None = None
) -> dict[str, Difference]:
    """Each of the metrics, or all, that both have: the result's minus the other's.

    Without a verdict where the metric flatters runs that learned nothing, and there are some.
    """
    found = {}
    for metric, summary in result.metrics.items():
        if metric in other.metrics and (metrics is None or metric in metrics):
            difference = paired_difference(summary, other.metrics[metric], metric)
            why = unfit((result, other), metric)
            found[metric] = without_verdict(difference, why) if why else difference
    return found


def apart(result: ModelResult, other: ModelResult, other_images: bool = False) -> str:
    """Why two results of one folder are not held against each other; empty where they are.

    Args:
        result: One of them.
        other: The other one.
        other_images: Whether they may have seen different images.
    """
    if not (other_images or same_images(result, other)):
        return f"{result.model} and {other.model} saw different images"
    known = result.experiments and other.experiments
    if known and not result.experiments & other.experiments:
        return f"{result.model} and {other.model} are of different experiments"
    return ""


def same_images(result: ModelResult, other: ModelResult) -> bool:
    """Whether both saw the same dataset, as far as they tell."""
    known = {result.fingerprint, other.fingerprint} - {None}
    return len(known) < 2


def made_otherwise(result: ModelResult, other: ModelResult) -> str:
    """How a result was made, where another of its kind was not: `training.epochs 100, not 20`."""
    if not (result.protocol and other.protocol):
        return ""
    return describe_differences([result.protocol], other.protocol)


def _key(result: ModelResult) -> str:
    return repr(sorted(shared_coordinates(result.point).items()))
