"""One model against another, paired by seed, and the verdict."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import Difference, ModelResult, Summary, TrainedPair, Verdict
from involbench.comparison.selection import Arm
from involbench.comparison.settings import describe_differences
from involbench.comparison.summary import summarize
from involbench.comparison.validity import flattered_by_collapse
from involbench.errors import ResultsError, UsageError
from involbench.results.arrays import Predicted, read_predictions
from involbench.results.tree import SpecSummary
from involbench.spec.trial import shared_coordinates
from involbench.statistics.bootstrap import FEWEST_FOR_AN_INTERVAL, bca_interval
from involbench.statistics.hypothesis_tests import EXACT_UP_TO, holm, sign_flip_p, smallest_p
from involbench.text import suggest

PAIRS_FOR_A_VERDICT = 6
"""With five, the smallest p that can be reached is 2/2^5, which is above 0.05."""
LEVEL = 0.05


def verdict(pairs: int, mean: float, low: float, high: float, p: float) -> Verdict:
    """What paired differences allow to be said.

    Nothing under six pairs; else a direction where both the 95% interval excludes zero and p is
    at most 0.05. The interval alone would be too bold, since that of six pairs is too narrow;
    p alone knows nothing of a skewed distribution. `make calibrate` shows what both give.

    Args:
        pairs: How many pairs there are.
        mean: The mean difference.
        low: The lower end of its interval.
        high: The upper end.
        p: Of the sign-flip test, two-sided.
    """
    if pairs < PAIRS_FOR_A_VERDICT:
        return "too few pairs"
    if low <= 0 <= high or p > LEVEL:
        return "undecided"
    return "higher" if mean > 0 else "lower"


def mcnemar(this: Predicted, baseline: Predicted) -> TrainedPair | None:
    """Whether one of two trained networks is right more often than the other.

    McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12 (1947), in its exact form: of the images that only one of them gets right,
    as many should be the one's as the other's. It says nothing of other seeds.

    Returns:
        None where the two were not tested on the same labels.
    """
    from scipy.special import bdtr

    if not np.array_equal(this.labels, baseline.labels):
        return None
    mine, theirs = (each.predicted == each.labels for each in (this, baseline))
    only_this, only_baseline = int(np.sum(mine & ~theirs)), int(np.sum(theirs & ~mine))
    apart, fewer = only_this + only_baseline, min(only_this, only_baseline)
    return TrainedPair(
        images=len(mine),
        only_this_right=only_this,
        only_baseline_right=only_baseline,
        p=min(1.0, 2 * float(bdtr(fewer, apart, 0.5))) if apart else 1.0,
    )


def trained_pair(this: Arm, other: Arm, seed: int, warnings: list[str]) -> TrainedPair | None:
    """What the predictions of two arms' runs of one seed show; None where there are none."""

    runs = [
        next(run for run in arm.finished if run.record.trial.seed == seed) for arm in (this, other)
    ]
    if not all((run.path / "predictions.npz").exists() for run in runs):
        return None
    try:
        pair = mcnemar(*(read_predictions(run) for run in runs))
    except ResultsError as error:
        warnings.append(str(error))
        return None
    if pair is None:
        warnings.append(f"{this.model} and {other.model} have predicted different test labels")
    return pair


def paired_difference(these: Summary, baseline: Summary, metric: str = "") -> Difference:
    """These minus the baseline, seed by seed, over the seeds that both have measured.

    Args:
        these: One model's values.
        baseline: Those that they are held against.
        metric: The metric's name, which says whether it is a count and which way is better.
    """
    pairs = {
        seed: minus(value, other)
        for seed, value in these.by_seed.items()
        if value is not None and (other := baseline.by_seed.get(seed)) is not None
    }
    seeds = {*these.by_seed, *baseline.by_seed} if these.n or baseline.n else set[int]()
    summary = summarize(pairs)
    values = [value for value in summary.by_seed.values() if value is not None]
    known, missing = metric_called(metric), tuple(sorted(seeds - set(pairs)))
    about = {**summary.model_dump(), "missing_seeds": missing}
    if known.exact or not values:
        return Difference(**about, verdict=_of_counts(summary.mean))
    better = [-value for value in values] if known.better == "lower" else values
    return Difference(**about, superiority=_superiority(better), **_inference(values))


def without_verdict(difference: Difference, why: str) -> Difference:
    """The same as an estimate, and a note that says why."""
    decided = difference.verdict in ("higher", "lower")
    return difference.model_copy(
        update={
            "verdict": "undecided" if decided else difference.verdict,
            "notes": (*difference.notes, f"no verdict, for {why}"),
        }
    )


def margin(over: Mapping[int, float], metric: str) -> Difference:
    """By how much each pair is over what was said, held against none: more is superior.

    Args:
        over: Seed -> the excess.
        metric: The metric's name, which says whether it is a count.
    """
    found = paired_difference(summarize(over), summarize(dict.fromkeys(over, 0.0)), metric)
    values = [value for value in found.by_seed.values() if value is not None]
    has = found.superiority is not None
    return found.model_copy(update={"superiority": _superiority(values)}) if has else found


def minus(value: float, other: float) -> float:
    """The difference, or 0 where it is of the size of rounding errors.

    A drop of 0.3 - 0.2 and one of 0.2 - 0.1 are the same drop, and not all seeds in favour of one.
    """
    return 0.0 if math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12) else value - other


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """The same, each with its p corrected for how many there are."""
    tested = [difference.p for difference in differences if difference.p is not None]
    adjusted = iter(holm(tested))
    return [
        difference
        if difference.p is None
        else difference.model_copy(update={"p_holm": next(adjusted)})
        for difference in differences
    ]


def _inference(values: Sequence[float]) -> dict[str, Any]:
    """Interval, p and verdict, and what is unusual about them."""
    sample = np.asarray([values])
    pairs, mean, p = len(values), float(sample.mean()), float(sign_flip_p(sample)[0])
    found: dict[str, Any] = {"p": p, "smallest_p": smallest_p(pairs)}
    if pairs < FEWEST_FOR_AN_INTERVAL:
        return {**found, "verdict": "too few pairs", "notes": ()}
    low, high = (float(end[0]) for end in bca_interval(sample))
    decided = verdict(pairs, mean, low, high, p)
    return {
        **found,
        "interval": (low, high),
        "verdict": decided,
        "notes": _notes(values, low, high),
    }


def _notes(values: Sequence[float], low: float, high: float) -> tuple[str, ...]:
    said = []
    if not any(values):
        said.append("every pair is equal: there is nothing to tell apart")
    elif low == high:
        said.append("all differences are equal: the interval has no width")
    if len(values) > EXACT_UP_TO:
        said.append(f"p from {2**EXACT_UP_TO:,} sign patterns drawn with a fixed seed")
    return tuple(said)


def _superiority(better: Sequence[float]) -> float:
    return sum(1.0 if value > 0 else 0.5 if value == 0 else 0.0 for value in better) / len(better)


def _of_counts(difference: float | None) -> Verdict:
    if difference is None:
        return "too few pairs"
    return "equal" if difference == 0 else "higher" if difference > 0 else "lower"


def choose_baseline(
    experiment: str, models: Sequence[str], wanted: str | None, outline: SpecSummary
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
class BaselineComparison:
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
) -> tuple[BaselineComparison | None, list[str]]:
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
    return BaselineComparison(matching[0], metric_differences(result, other, metrics)), []


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
            why = flattered_by_collapse((result, other), metric)
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
