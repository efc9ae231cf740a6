"""The notes below the table of a comparison."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from involbench.comparison.diff import Change
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import Comparison, ModelResult, Summary
from involbench.comparison.settings import NONE
from involbench.reporting.prose import holm_sentence, verdict_sentence
from involbench.reporting.tables.cells import BETTER, UNDECIDED, WORSE, baseline_of, label, sign
from involbench.spec.claims import takes_target
from involbench.text import excerpt, first_of

_MOST_LINES = 6
_MOST_SEEDS = 100
"""Seeds named in one sentence."""


def collapses(comparison: Comparison) -> list[str]:
    """A phrase for each model with collapsed runs; one phrase in total for many models."""
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
    """The collapsed and failed seeds of one model in both results trees."""
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
    """Why the runs of each model failed."""
    for result in comparison.models:
        for reason in dict.fromkeys(result.failures.values()):
            seeds = [seed for seed, other in result.failures.items() if other == reason]
            yield f"{_named(result, seeds)} failed: {excerpt(reason)}"


def unpaired(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Seeds that lack a value for one model of a pair."""
    for result in comparison.models:
        found = [result.differences[name] for name in metrics if name in result.differences]
        missing = {seed for difference in found for seed in difference.missing_seeds}
        if missing:
            pair = f"{label(result.model, result.point)} and the baseline"
            yield f"Not paired because a value is missing: {pair}, {_seeds(missing)}."


def unmeasured(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Finished seeds that a mean leaves out."""
    for name in metrics:
        for result in comparison.models:
            summary = result.metrics.get(name)
            if summary is None or summary.n == result.n_finished:
                continue
            without = [seed for seed, value in summary.by_seed.items() if value is None]
            model, title = label(result.model, result.point), metric_called(name).title
            if takes_target(name):
                yield f"{model} has no {title} because it never reached it: {_seeds(without)}."
            elif summary.n:
                yield f"No value for the mean {title} of {model}: {_seeds(without)}."


def unusual(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Caveats about intervals and p-values, with the models that each applies to."""
    for name in metrics:
        models_by_note: dict[str, list[str]] = {}
        for result in comparison.models:
            difference = result.differences.get(name)
            for note in difference.notes if difference else ():
                models_by_note.setdefault(note, []).append(label(result.model, result.point))
        for note, models in models_by_note.items():
            which = first_of(models, _MOST_LINES)
            yield f"{which}, {metric_called(name).title}: {note}."


def _named(result: ModelResult, seeds: Iterable[int]) -> str:
    return f"{label(result.model, result.point)} {_seeds(seeds)}"


def _seeds(seeds: Iterable[int]) -> str:
    ordered = list(map(str, sorted(seeds)))
    return f"seed{'' if len(ordered) == 1 else 's'} {first_of(ordered, _MOST_SEEDS)}"


_MOST_SENTENCES = 6


def verdicts(comparison: Comparison, metrics: Sequence[str] = (ACCURACY,)) -> list[str]:
    """A sentence for each comparison or, for many comparisons, a count of the results."""
    sentences = [
        sentence
        for name in metrics
        for sentence in _verdicts(comparison, name, weigh=name == metrics[0])
    ]
    return [*sentences, *_crossings(comparison)]


def notes(comparison: Comparison, metrics: Sequence[str] = (ACCURACY,)) -> list[str]:
    """Collapsed and failed runs, missing values, a legend, and versions."""
    if not any(result.n_finished for result in comparison.models):
        return ["No finished run: nothing to compare yet.", *failures(comparison)]
    counted = _counted(comparison, metrics)
    lines = [
        *(f"{phrase}; {counted}." for phrase in collapses(comparison)),
        *failures(comparison),
        *unpaired(comparison, metrics),
        *unmeasured(comparison, metrics),
        *unusual(comparison, metrics),
        _legend(comparison, metrics),
        made_with(comparison),
    ]
    return list(dict.fromkeys(lines))  # Two metrics with one title give the same notes.


def _counted(comparison: Comparison, metrics: Sequence[str]) -> str:
    """Whether every collapsed run is counted in the means."""
    lacking = any(
        summary.by_seed.get(seed) is None
        for result, summary in _summaries(comparison, metrics)
        for seed in result.collapsed_seeds
    )
    return "counted in the means" + (", where they have a value" if lacking else "")


def _summaries(
    comparison: Comparison, metrics: Sequence[str]
) -> Iterator[tuple[ModelResult, Summary]]:
    for result in comparison.models:
        yield from ((result, result.metrics[name]) for name in metrics if name in result.metrics)


def made_with(comparison: Comparison) -> str:
    """Versions and hardware."""
    found = comparison.environment
    versions = [
        f"{key} {' / '.join(values)}"
        for key, values in found.items()
        if key not in ("cpu", "device") and values != (NONE,)
    ]
    where = f" on {' / '.join(found['device'])}" if "device" in found else ""
    machine = f" ({' / '.join(found['cpu'])})" if "cpu" in found else ""
    return f"Made with {', '.join(versions)}{where}{machine}."


def _verdicts(comparison: Comparison, name: str, weigh: bool) -> list[str]:
    compared = [result for result in comparison.models if name in result.differences]
    differences = [result.differences[name] for result in compared]
    if len(compared) <= _MOST_SENTENCES:
        pairs = [(result, baseline_of(comparison, result)) for result in compared]
        weights = [(result.model, result.parameters) for result, _ in pairs]
        sentences = [  # Name the parameters of a model once, unless they differ by point.
            verdict_sentence(result, other, name, weigh and weights.index(weight) == place)
            for place, ((result, other), weight) in enumerate(zip(pairs, weights, strict=True))
            if other
        ]
    else:
        counts = Counter(sign(each, metric_called(name)) for each in differences)
        results = ", ".join(f"{count} {mark}" for mark, count in sorted(counts.items()))
        sentences = [f"{len(compared)} comparisons in {metric_called(name).title}: {results}."]
    return [*sentences, *filter(None, [holm_sentence(differences)])]


def _crossings(comparison: Comparison) -> list[str]:
    """Where the order of two models changes in a sweep, if there are enough seeds."""
    return [
        f"{label(curve.model, curve.at)} and {comparison.baseline} cross in test accuracy at about "
        f"{curve.key} = {_about(crossing.at)}, between {crossing.low:,g} and {crossing.high:,g}"
        + ("." if crossing.certain else " (no verdict on one side, or on both).")
        for curve in comparison.curves
        for crossing in curve.crossings
        if all(point.interval for point in curve.points)
    ]


def _about(value: float) -> str:
    """Three significant digits: `1,880`."""
    return f"{float(f'{value:.3g}'):,g}"


def _legend(comparison: Comparison, metrics: Sequence[str]) -> str:
    """The number of seeds, and how to read the signs."""
    counts = sorted({result.n_finished for result in comparison.models})
    seeds = " to ".join(str(count) for count in dict.fromkeys([counts[0], counts[-1]]))
    text = f"n = finished seeds ({seeds}); ± = standard deviation over seeds"
    if any(
        0 < summary.n < result.n_finished for result, summary in _summaries(comparison, metrics)
    ):
        text += "; in brackets, the seeds with a value, if fewer"
    if not any(result.differences for result in comparison.models):
        return f"{text}."
    points = " in points" if metric_called(metrics[0]).unit == "percent" else ""
    return (
        f"{text}; difference from {comparison.baseline}{points}, paired by seed: "
        f"{BETTER} better, {WORSE} worse, {UNDECIDED} no verdict."
    )
