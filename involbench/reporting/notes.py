"""What must be said under the table of a comparison."""

from collections import Counter
from collections.abc import Iterator, Sequence

from involbench.analysis.comparison import Comparison, ModelResult, Summary
from involbench.analysis.metrics import ACCURACY
from involbench.analysis.metrics import metric as metric_called
from involbench.analysis.settings import NONE
from involbench.reporting.labels import label
from involbench.reporting.notes_on_seeds import (
    collapses,
    failures,
    unmeasured,
    unpaired,
    unusual,
)
from involbench.reporting.sentences import holm_sentence, verdict_sentence
from involbench.reporting.tables_text import baseline_of
from involbench.reporting.values import BETTER, UNDECIDED, WORSE, sign

_MOST_SENTENCES = 6


def verdicts(comparison: Comparison, metrics: Sequence[str] = (ACCURACY,)) -> list[str]:
    """A sentence a comparison, or, where that would be a wall of text, how many came out how."""
    said = [_verdicts(comparison, name, weigh=name == metrics[0]) for name in metrics]
    return [*(sentence for each in said for sentence in each), *_crossings(comparison)]


def notes(comparison: Comparison, metrics: Sequence[str] = (ACCURACY,)) -> list[str]:
    """Collapsed and failed runs, how to read the table, what the runs were made with."""
    if not any(result.n_finished for result in comparison.models):
        return ["No finished run: nothing to compare yet.", *failures(comparison)]
    counted = _counted(comparison, metrics)
    lines = [
        *(f"{said}; {counted}." for said in collapses(comparison)),
        *failures(comparison),
        *unpaired(comparison, metrics),
        *unmeasured(comparison, metrics),
        *unusual(comparison, metrics),
        _legend(comparison, metrics),
        made_with(comparison),
    ]
    return list(dict.fromkeys(lines))  # Of two metrics of one title the same is said.


def _counted(comparison: Comparison, metrics: Sequence[str]) -> str:
    """What becomes of the collapsed runs: they are counted, as far as they have a value."""
    lacking = any(
        summary.by_seed.get(seed) is None
        for result, summary in _shown(comparison, metrics)
        for seed in result.collapsed_seeds
    )
    return "counted in the means" + (", where they have a value" if lacking else "")


def _shown(comparison: Comparison, metrics: Sequence[str]) -> Iterator[tuple[ModelResult, Summary]]:
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
    held = [result for result in comparison.models if name in result.differences]
    differences = [result.differences[name] for result in held]
    if len(held) <= _MOST_SENTENCES:
        pairs = [(result, baseline_of(comparison, result)) for result in held]
        weights = [(result.model, result.parameters) for result, _ in pairs]
        said = [  # One model at several points is weighed once, if it is of one size.
            verdict_sentence(result, other, name, weigh and weights.index(weight) == place)
            for place, ((result, other), weight) in enumerate(zip(pairs, weights, strict=True))
            if other
        ]
    else:
        counts = Counter(sign(each, metric_called(name)) for each in differences)
        shown = ", ".join(f"{count} {mark}" for mark, count in sorted(counts.items()))
        said = [f"{len(held)} comparisons in {metric_called(name).title}: {shown}."]
    return [*said, *filter(None, [holm_sentence(differences)])]


def _crossings(comparison: Comparison) -> list[str]:
    """Where a sweep turns the order of two models round, if there are seeds to say so."""
    return [
        f"{label(curve.model, curve.at)} and {comparison.baseline} cross in test accuracy at about "
        f"{curve.key} = {_about(crossing.at)}, between {crossing.low:,g} and {crossing.high:,g}"
        + ("." if crossing.certain else " (no verdict on one side of it, or on both).")
        for curve in comparison.curves
        for crossing in curve.crossings
        if all(point.interval for point in curve.points)
    ]


def _about(value: float) -> str:
    """Three digits: `1,880`."""
    return f"{float(f'{value:.3g}'):,g}"


def _legend(comparison: Comparison, metrics: Sequence[str]) -> str:
    """How many seeds there are, and how to read the signs."""
    counts = sorted({result.n_finished for result in comparison.models})
    seeds = " to ".join(str(count) for count in dict.fromkeys([counts[0], counts[-1]]))
    text = f"n = finished seeds ({seeds}); ± = standard deviation over seeds"
    if any(0 < summary.n < result.n_finished for result, summary in _shown(comparison, metrics)):
        text += "; in brackets, of how many where not of all"
    if not any(result.differences for result in comparison.models):
        return f"{text}."
    points = " in points" if metric_called(metrics[0]).unit == "percent" else ""
    return (
        f"{text}; difference from {comparison.baseline}{points}, paired by seed: "
        f"{BETTER} better, {WORSE} worse, {UNDECIDED} no verdict."
    )
