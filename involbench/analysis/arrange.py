"""Which rows of a comparison are shown, and in which order."""

from collections.abc import Mapping, Sequence

from involbench.analysis.comparison import Comparison, Difference, ModelResult
from involbench.analysis.metrics import metric as metric_called
from involbench.spec.trial import shared_coordinates


def sort_models(comparison: Comparison, by: str) -> Comparison:
    """The models of each sweep point by one metric's mean, the best first, the unmeasured last.

    Args:
        comparison: The comparison.
        by: The metric; of one where neither way is better, the lowest comes first.
    """
    descending = metric_called(by).better == "higher"
    points = [repr(shared_coordinates(result.point)) for result in comparison.models]

    def key(result: ModelResult) -> tuple[int, bool, float]:
        place = points.index(repr(shared_coordinates(result.point)))
        summary = result.metrics.get(by)
        if summary is None or summary.mean is None:
            return place, True, 0.0
        return place, False, -summary.mean if descending else summary.mean

    return comparison.model_copy(update={"models": tuple(sorted(comparison.models, key=key))})


def only_changed(comparison: Comparison, metrics: Sequence[str]) -> tuple[Comparison, list[str]]:
    """Without the models that differ from the baseline in nothing, seed by seed.

    Args:
        comparison: The comparison.
        metrics: What counts: a model is left out where it is equal in all of these.

    Returns:
        The rest, and the models left out.
    """
    equal = [result for result in comparison.models if all_equal(result.differences, metrics)]
    kept = tuple(result for result in comparison.models if result not in equal)
    return comparison.model_copy(update={"models": kept}), [result.model for result in equal]


def all_equal(differences: Mapping[str, Difference], metrics: Sequence[str]) -> bool:
    """Whether every seed has a pair, and the same value, in each of the metrics."""
    found = [differences.get(metric) for metric in metrics]
    return all(each is not None and each.all_equal and not each.missing_seeds for each in found)
