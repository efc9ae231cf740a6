"""From the runs of one experiment to the comparison of its models."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from involbench.analysis.claims import judge
from involbench.analysis.comparison import Comparison, Difference, ModelResult
from involbench.analysis.curves import sweep_curves
from involbench.analysis.fairness import (
    environment_warnings,
    environments,
    mixture_warnings,
    protocol_warnings,
    shared_image_warnings,
    timing_warnings,
)
from involbench.analysis.measure import Wanted
from involbench.analysis.one_model import result_of
from involbench.analysis.paired import with_holm
from involbench.analysis.pairing import Baseline, choose_baseline, differences
from involbench.analysis.pareto import fronts
from involbench.analysis.selection import Arm, select_arms
from involbench.analysis.settings import protocol
from involbench.analysis.trained_pair import trained_pair
from involbench.results.lasting import lasting
from involbench.results.outline import Outline, read_outline
from involbench.results.reading import ResultsTree, StoredRun
from involbench.results.wording import first_of

_NO_OUTLINE = Outline()
_EVERYTHING = Wanted()


@lasting()
def compare_experiment(
    tree: ResultsTree,
    experiment: str,
    baseline: str | None = None,
    wanted: Wanted = _EVERYTHING,
) -> Comparison:
    """Read the runs of an experiment and compare its models; see `compare`."""
    runs, warnings = tree.runs(experiment)
    if names := tree.not_ended(experiment, runs):
        warnings.append(f"without what is under way or was cut off: {first_of(names)}")
    outline = read_outline(tree.folder(experiment))
    return compare(experiment, runs, baseline, warnings, outline, wanted)


def compare(
    name: str,
    runs: Iterable[StoredRun],
    baseline: str | None = None,
    warnings: Sequence[str] = (),
    outline: Outline = _NO_OUTLINE,
    wanted: Wanted = _EVERYTHING,
) -> Comparison:
    """Compare the models of one experiment, paired by seed.

    Nothing that was run is dropped in silence: collapsed runs are part of every mean, failed ones
    are counted, and runs with other settings than the latest are left out with a warning.

    Args:
        name: The experiment's name.
        runs: All its runs.
        baseline: The model to hold the others against; default: the spec's, or the first.
        warnings: What went wrong while the runs were read.
        outline: The order of the models, the spec's baseline and its claims.
        wanted: The metrics; default: all, for which every run's history and, where its record
            is older, its predictions are read.

    Raises:
        UsageError: No run is of the model `baseline`.
    """
    arms, left_out = select_arms(runs, outline.models)
    models = list(dict.fromkeys(arm.model for arm in arms))
    chosen, unlike = choose_baseline(name, models, baseline, outline)
    found = environments(arms)
    protocols = [protocol(arm.runs[-1]) for arm in arms]
    said = [*warnings, *outline.faults, *unlike, *left_out]
    said += protocol_warnings(arms, protocols, chosen)
    said += [*mixture_warnings(arms), *environment_warnings(arms, found)]
    said += shared_image_warnings(arms)
    claimed = frozenset(claim.metric for claim in outline.claims)
    wanted = replace(wanted, named=wanted.named | claimed)
    said += timing_warnings(arms) if wanted.asks_benchmarks else []
    alone = [result_of(*arm, wanted, said) for arm in zip(arms, protocols, strict=True)]
    results = _paired(alone, arms, chosen, wanted, said)
    return Comparison(
        experiment=name,
        baseline=chosen,
        models=tuple(results),
        curves=sweep_curves(results),
        fronts=fronts(results),
        claims=tuple(judge(claim, alone, outline.sweep) for claim in outline.claims),
        environment=found,
        warnings=tuple(said),
    )


def _paired(
    alone: Sequence[ModelResult],
    arms: Sequence[Arm],
    baseline: str | None,
    wanted: Wanted,
    warnings: list[str],
) -> list[ModelResult]:
    """Each result held against the baseline's at its sweep point."""
    rows: list[dict[str, Difference]] = []
    held_against = Baseline(alone, baseline)
    for result, arm in zip(alone, arms, strict=True):
        other, unpaired = differences(result, held_against, wanted.compared)
        warnings += unpaired
        rows.append(other.against if other else {})
        accuracy = rows[-1].get("test_accuracy")
        if other and accuracy and accuracy.n == 1:
            (seed,) = accuracy.by_seed
            pair = trained_pair(arm, arms[other.place], seed, warnings)
            rows[-1]["test_accuracy"] = accuracy.model_copy(update={"trained_pair": pair})
    for metric in dict.fromkeys(name for row in rows for name in row):
        having = [row for row in rows if metric in row]
        for row, corrected in zip(having, with_holm([r[metric] for r in having]), strict=True):
            row[metric] = corrected
    return [
        result.model_copy(update={"differences": row})
        for result, row in zip(alone, rows, strict=True)
    ]
