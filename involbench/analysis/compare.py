"""From the runs of one experiment to the comparison of its models."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from involbench.analysis.chosen_settings import choose_groups, stated_group
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
from involbench.analysis.selection import (
    Arm,
    SettingsGroup,
    left_out,
    select_groups,
    superseded,
)
from involbench.analysis.settings import protocol
from involbench.analysis.trained_pair import trained_pair
from involbench.results.lasting import lasting
from involbench.results.outline import Outline, read_outline
from involbench.results.reading import ResultsTree, StoredRun
from involbench.results.wording import first_of

_NO_OUTLINE = Outline()
_EVERYTHING = Wanted()


@dataclass(frozen=True)
class GroupComparison:
    """The comparison of one group of settings, and the runs that it is made from."""

    comparison: Comparison
    runs: tuple[StoredRun, ...]
    left_out: tuple[str, ...] = ()
    """A warning for each model with runs that are in other groups alone."""


def compare_experiment(
    tree: ResultsTree,
    experiment: str,
    baseline: str | None = None,
    wanted: Wanted = _EVERYTHING,
    overrides: Sequence[str] = (),
) -> Comparison:
    """Compare the models of an experiment on the settings that its spec states.

    Runs with other settings are left out with a warning; see `compare_groups` for all.
    """
    groups = compare_groups(tree, experiment, baseline, wanted, overrides)
    chosen = next(group for group in groups if group.comparison.is_stated)
    said = (*chosen.comparison.warnings, *chosen.left_out)
    return chosen.comparison.model_copy(update={"warnings": said})


@lasting()
def compare_groups(
    tree: ResultsTree,
    experiment: str,
    baseline: str | None = None,
    wanted: Wanted = _EVERYTHING,
    overrides: Sequence[str] = (),
) -> list[GroupComparison]:
    """Read the runs of an experiment and compare its models; see `compare`.

    Args:
        tree: Where the experiment is.
        experiment: Its name.
        baseline: See `compare`.
        wanted: See `compare`.
        overrides: See `compare`.
    """
    with tree.kept_open(experiment):
        return _compare_groups(tree, experiment, baseline, wanted, overrides)


def _compare_groups(
    tree: ResultsTree,
    experiment: str,
    baseline: str | None,
    wanted: Wanted,
    overrides: Sequence[str],
) -> list[GroupComparison]:
    runs, warnings = tree.runs(experiment)
    if names := tree.not_ended(experiment, runs):
        warnings.append(f"without what is under way or was cut off: {first_of(names)}")
    outline = read_outline(tree.folder(experiment))
    return compare(experiment, runs, baseline, warnings, outline, wanted, overrides)


def compare(
    name: str,
    runs: Iterable[StoredRun],
    baseline: str | None = None,
    warnings: Sequence[str] = (),
    outline: Outline = _NO_OUTLINE,
    wanted: Wanted = _EVERYTHING,
    overrides: Sequence[str] = (),
) -> list[GroupComparison]:
    """Compare the models of one experiment, paired by seed, for each group of settings.

    Nothing that was run is dropped in silence: collapsed runs are part of every mean, failed ones
    are counted, and runs with other settings are a comparison of their own.

    Args:
        name: The experiment's name.
        runs: All its runs.
        baseline: The model to hold the others against; default: the spec's, or the first.
        warnings: What went wrong while the runs were read.
        outline: The order of the models, the spec's baseline and its claims.
        wanted: The metrics; default: all, for which every run's history and, where its record
            is older, its predictions are read.
        overrides: `KEY=VALUE` each: only the groups of these settings, see `choose_groups`.

    Returns:
        One comparison a group, of the most runs first; of no runs, one without models.

    Raises:
        UsageError: No run is of the model `baseline`, or has the settings.
    """
    groups = choose_groups(name, select_groups(runs, outline.models), overrides)
    models = list(dict.fromkeys(arm.model for group in groups for arm in group.arms))
    choose_baseline(name, models, baseline, outline)  # Raises where no group has it.
    said = [*warnings, *outline.faults, *_backend_warnings(groups)]
    if not groups:
        nothing = _compared(name, SettingsGroup(()), None, said, outline, wanted)
        return [GroupComparison(nothing, ())]
    stated, how = groups[0], None
    if len(groups) > 1 or (outline.claims and not overrides):
        stated, how = stated_group(groups, outline.values)
    if how and outline.claims and not overrides:
        said.append(f"claims are judged on other settings than spec.yaml states: {how}")
    found = []
    for group in groups:
        comparison = _compared(name, group, baseline, said, outline, wanted)
        if group is not stated:
            comparison = comparison.model_copy(update={"is_stated": False})
        elif len(groups) > 1:
            why = "the latest" if how or how is None else "as spec.yaml states"
            comparison = comparison.model_copy(update={"why_judged": why})
        found.append(GroupComparison(comparison, tuple(group.runs), tuple(left_out(groups, group))))
    return found


def _compared(
    name: str,
    group: SettingsGroup,
    baseline: str | None,
    warnings: Sequence[str],
    outline: Outline,
    wanted: Wanted,
) -> Comparison:
    arms = group.arms
    models = list(dict.fromkeys(arm.model for arm in arms))
    there = baseline if baseline in models else None
    chosen, unlike = choose_baseline(name, models, there, outline)
    found = environments(arms)
    protocols = [protocol(arm.runs[-1]) for arm in arms]
    said = [*warnings, *unlike, *superseded(group)]
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
        settings=group.settings,
    )


def _backend_warnings(groups: Sequence[SettingsGroup]) -> list[str]:
    """A warning where trials were run on several backends, which their ids do not tell."""
    runs = list({run.path: run for group in groups for run in group.runs}.values())
    ids = Counter(run.record.run_id for run in runs)
    if len(ids) == len(runs):
        return []
    backends = Counter(run.record.backend or "unknown" for run in runs)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(backends.items()))
    return [
        f"the same trials were run on several backends ({counts} runs): results of one run id "
        "differ between them, so each backend is compared by itself"
    ]


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
