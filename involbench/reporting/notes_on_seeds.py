"""The seeds that a comparison must name: collapsed, failed, not paired, not measured."""

from collections.abc import Iterable, Iterator, Sequence

from involbench.analysis.comparison import Comparison, ModelResult
from involbench.analysis.metrics import ACCURACY
from involbench.analysis.metrics import metric as metric_called
from involbench.analysis.two_trees import Change
from involbench.reporting.labels import label
from involbench.results.wording import excerpt, first_of
from involbench.spec.targets import takes_target

_MOST_LINES = 6
_MOST_SEEDS = 100
"""Named in one sentence."""


def collapses(comparison: Comparison) -> list[str]:
    """A phrase for each model with runs whose accuracy never left chance; one for very many."""
    found = [result for result in comparison.models if result.collapsed_seeds]
    if len(found) > _MOST_LINES:
        runs = sum(len(result.collapsed_seeds) for result in found)
        return [f"{runs} runs collapsed: their accuracy never left chance"]
    return list(map(_collapse, found))


def _collapse(result: ModelResult) -> str:
    accuracies, seeds = result.metrics.get(ACCURACY), result.collapsed_seeds
    known = accuracies.by_seed if accuracies else {}
    values = sorted(value for value in map(known.get, seeds) if value is not None)
    ends = dict.fromkeys(f"{100 * value:.1f}" for value in (*values[:1], *values[-1:]))
    chance = f" ({' to '.join(ends)}%)" if ends else ""
    return f"{_named(result, seeds)} {_collapsed(seeds)}{chance}"


def _collapsed(seeds: Sequence[int]) -> str:
    return f"collapsed: {'its' if len(seeds) == 1 else 'their'} accuracy never left chance"


def lost_then_and_now(change: Change) -> Iterator[str]:
    """The seeds of one model in two results trees that collapsed, which are counted, or failed."""
    for when, collapsed, failed in (
        ("then", change.collapsed_then, change.failed_then),
        ("now", change.collapsed_now, change.failed_now),
    ):
        name = f"{label(change.model, change.point)} {when}"
        if collapsed:
            yield f"{name}, {_seeds(collapsed)} {_collapsed(collapsed)}; counted in the means."
        if failed:
            yield f"{name}, {_seeds(failed)} failed."


def failures(comparison: Comparison) -> Iterator[str]:
    """What the failed runs of each model failed of."""
    for result in comparison.models:
        for reason in dict.fromkeys(result.failures.values()):
            seeds = [seed for seed, other in result.failures.items() if other == reason]
            yield f"{_named(result, seeds)} failed: {excerpt(reason)}"


def unpaired(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Seeds of which not both of two models have a value."""
    for result in comparison.models:
        found = [result.differences[name] for name in metrics if name in result.differences]
        missing = {seed for difference in found for seed in difference.missing_seeds}
        if missing:
            pair = f"{label(result.model, result.point)} and the baseline"
            yield f"Not paired, for want of a value: {pair}, {_seeds(missing)}."


def unmeasured(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Finished seeds that are not in a mean."""
    for name in metrics:
        for result in comparison.models:
            summary = result.metrics.get(name)
            if summary is None or summary.n == result.n_finished:
                continue
            without = [seed for seed, value in summary.by_seed.items() if value is None]
            model, title = label(result.model, result.point), metric_called(name).title
            if takes_target(name):
                yield f"{model} has no {title}, for it never got there: {_seeds(without)}."
            elif summary.n:
                yield f"Not in {model}'s mean {title}, for want of a value: {_seeds(without)}."


def unusual(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """What must be known of an interval or a p, of each difference that it is said of."""
    for name in metrics:
        whose: dict[str, list[str]] = {}
        for result in comparison.models:
            difference = result.differences.get(name)
            for note in difference.notes if difference else ():
                whose.setdefault(note, []).append(label(result.model, result.point))
        for note, models in whose.items():
            which = first_of(models, _MOST_LINES)
            yield f"{which}, {metric_called(name).title}: {note}."


def _named(result: ModelResult, seeds: Iterable[int]) -> str:
    return f"{label(result.model, result.point)} {_seeds(seeds)}"


def _seeds(seeds: Iterable[int]) -> str:
    ordered = list(map(str, sorted(seeds)))
    return f"seed{'' if len(ordered) == 1 else 's'} {first_of(ordered, _MOST_SEEDS)}"
