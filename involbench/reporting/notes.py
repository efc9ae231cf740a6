"""The notes below the table of a comparison: what is left out, caveats, a legend, versions."""

from collections.abc import Iterable, Iterator, Sequence

from involbench.comparison.diff import Change
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import (
    Comparison,
    ModelResult,
    Summary,
)
from involbench.comparison.settings import NONE
from involbench.reporting.prose import MOST_LINES
from involbench.reporting.tables.cells import (
    BETTER,
    EQUIVALENT,
    UNDECIDED,
    WORSE,
    label,
    tuned_note,
)
from involbench.reporting.units import percent
from involbench.spec.claims import takes_target
from involbench.text import excerpt, first_of

_MOST_SEEDS = 100
"""Seeds named in one sentence."""


def notes(comparison: Comparison, metrics: Sequence[str] = (ACCURACY,)) -> list[str]:
    """Collapsed and failed runs, missing values, a legend, and versions."""
    if not any(result.n_finished for result in comparison.models):
        return ["No finished run: nothing to compare yet.", *failures(comparison)]
    counted = "counted in shares, times and sizes only"
    lines = [
        *(f"{phrase}; {counted}." for phrase in collapses(comparison)),
        *failures(comparison),
        *unpaired(comparison, metrics),
        *unmeasured(comparison, metrics),
        *unusual(comparison, metrics),
        *correlations(comparison, metrics),
        *tuned_note(comparison),
        _legend(comparison, metrics),
        made_with(comparison),
    ]
    return list(dict.fromkeys(lines))  # Two metrics with one title give the same notes.


def collapses(comparison: Comparison, most_runs: int | None = None) -> list[str]:
    """A phrase for each model with collapsed runs; one phrase in total for many models or runs."""
    found = [result for result in comparison.models if result.collapsed_seeds]
    runs = sum(len(result.collapsed_seeds) for result in found)
    if len(found) > MOST_LINES or (most_runs is not None and runs > most_runs):
        return [f"{runs} runs collapsed: their accuracy never left chance"]
    return list(map(_collapse, found))


def _collapse(result: ModelResult) -> str:
    accuracies, collapsed = result.metrics.get(ACCURACY), result.collapsed_seeds
    known = accuracies.by_seed if accuracies else {}
    values = sorted(value for value in map(known.get, collapsed) if value is not None)
    ends = dict.fromkeys(percent(v, 1, unit="") for v in (*values[:1], *values[-1:]))
    chance = f" ({' to '.join(ends)}%)" if ends else ""
    return f"{_label_with_seeds(result, collapsed)} {_collapsed(collapsed)}{chance}"


def _collapsed(runs: Sequence[int]) -> str:
    return f"collapsed: {'its' if len(runs) == 1 else 'their'} accuracy never left chance"


def lost_then_and_now(change: Change) -> Iterator[str]:
    """The collapsed and failed seeds of one model in both results trees."""
    for when, collapsed, failed in (
        ("then", change.collapsed_then, change.failed_then),
        ("now", change.collapsed_now, change.failed_now),
    ):
        name = f"{label(change.model, change.point)} {when}"
        if collapsed:
            yield f"{name}, {_seed_list(collapsed)} {_collapsed(collapsed)}; not in the changes."
        if failed:
            yield f"{name}, {_seed_list(failed)} failed."


def failures(comparison: Comparison) -> Iterator[str]:
    """Why the runs of each model failed."""
    for result in comparison.models:
        for reason in dict.fromkeys(result.failures.values()):
            failed = [seed for seed, other in result.failures.items() if other == reason]
            yield f"{_label_with_seeds(result, failed)} failed: {excerpt(reason)}"


def unpaired(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Seeds that lack a value for one model of a pair."""
    for result in comparison.models:
        found = [result.differences[name] for name in metrics if name in result.differences]
        paired = (difference for difference in found if difference.design == "paired")
        missing = {seed for difference in paired for seed in difference.missing_seeds}
        if missing:
            pair = f"{label(result.model, result.point)} and the baseline"
            yield f"Not paired because a value is missing: {pair}, {_seed_list(missing)}."


def unmeasured(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Finished seeds that a mean leaves out, other than collapsed ones."""
    for result, name, summary in _summaries(comparison, metrics):
        without = [seed for seed, value in summary.by_seed.items() if value is None]
        if not without:
            continue
        model, title = label(result.model, result.point), metric_called(name).title
        if takes_target(name):
            yield f"{model} has no {title} because it never reached it: {_seed_list(without)}."
        elif summary.n:
            yield f"No value for the mean {title} of {model}: {_seed_list(without)}."


def unusual(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """Caveats about intervals and p-values, with the models that each applies to."""
    for name in metrics:
        models_by_note: dict[str, list[str]] = {}
        for result in comparison.models:
            difference = result.differences.get(name)
            for note in difference.notes if difference else ():
                models_by_note.setdefault(note, []).append(label(result.model, result.point))
        for note, models in models_by_note.items():
            which = first_of(models, MOST_LINES)
            yield f"{which}, {metric_called(name).title}: {note}."


def correlations(comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """How much pairing by seed can help each comparison of paired runs."""
    for name in metrics if comparison.paired else ():
        for result in comparison.models:
            found = result.differences.get(name)
            if found is not None and found.correlation is not None:
                pair = f"{label(result.model, result.point)} and {comparison.baseline}"
                r = f"{found.correlation:.2f}"
                yield f"{pair}, {metric_called(name).title}: correlation of the seeds {r}."


def _label_with_seeds(result: ModelResult, runs: Iterable[int]) -> str:
    return f"{label(result.model, result.point)} {_seed_list(runs)}"


def _seed_list(runs: Iterable[int]) -> str:
    ordered = list(map(str, sorted(runs)))
    return f"seed{'' if len(ordered) == 1 else 's'} {first_of(ordered, _MOST_SEEDS)}"


def _summaries(
    comparison: Comparison, metrics: Sequence[str]
) -> Iterator[tuple[ModelResult, str, Summary]]:
    """What each model has of each metric."""
    for name in metrics:
        for result in comparison.models:
            if name in result.metrics:
                yield result, name, result.compared(name)


def made_with(comparison: Comparison) -> str:
    """Versions and hardware."""
    where = trained_on(comparison)
    return f"Made with {versions_of(comparison)}{f' on {where}' if where else ''}."


def versions_of(comparison: Comparison) -> str:
    """`involbench 0.1.0, keras 3.12.0`; several values where runs differ."""
    return ", ".join(
        f"{key} {' / '.join(values)}"
        for key, values in comparison.environment.items()
        if key not in ("cpu", "device") and values != (NONE,)
    )


def trained_on(comparison: Comparison) -> str:
    """`CPU (AMD EPYC, 1 core)`; empty if it is not known."""
    found = comparison.environment
    device, cpu = (" / ".join(found.get(key, ())) for key in ("device", "cpu"))
    return f"{device} ({cpu})" if cpu else device


def _legend(comparison: Comparison, metrics: Sequence[str]) -> str:
    """The number of seeds, and how to read the signs."""
    counts = sorted({result.n_finished for result in comparison.models})
    ends = " to ".join(str(count) for count in dict.fromkeys([counts[0], counts[-1]]))
    text = f"n = finished seeds ({ends}); ± = standard deviation over seeds"
    if any(0 < each.n < result.n_finished for result, _, each in _summaries(comparison, metrics)):
        text += "; in brackets, the seeds behind a value, if fewer"
    if not any(result.differences for result in comparison.models):
        return f"{text}."
    known, columns = list(map(metric_called, metrics)), list[str]()
    if tested := [each for each in known if each.kind != "measured"]:
        points = " in points" if tested[0].unit == "percent" else ""
        paired = ", paired by seed" * comparison.paired
        columns.append(f"difference from {comparison.baseline}{points}{paired}")
    if len(tested) < len(known):
        columns.append(f"ratio to {comparison.baseline}, with its range from run to run")
    equivalent = f", {EQUIVALENT} equivalent" * (comparison.margin is not None)
    return (
        f"{'; '.join([text, *columns])}: "
        f"{BETTER} better, {WORSE} worse, {UNDECIDED} no verdict{equivalent}."
    )
