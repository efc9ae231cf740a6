"""From the runs of one experiment to the comparison of its models."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from involbench.comparison.chosen_settings import choose_groups, stated_group
from involbench.comparison.claims import judge
from involbench.comparison.curves import fronts, sweep_curves
from involbench.comparison.metrics import METRICS, Values, Wanted, measure
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.pairing import (
    Baseline,
    choose_baseline,
    differences,
    trained_pair,
    with_holm,
)
from involbench.comparison.schema import Comparison, Difference, ModelResult, ParameterCounts
from involbench.comparison.selection import (
    Arm,
    SettingsGroup,
    left_out,
    select_groups,
    superseded,
)
from involbench.comparison.settings import protocol
from involbench.comparison.summary import summarize
from involbench.comparison.validity import (
    environment_warnings,
    environments,
    mixture_warnings,
    protocol_warnings,
    shared_image_warnings,
    timing_warnings,
)
from involbench.errors import ResultsError
from involbench.results.gc_paused import gc_paused
from involbench.results.tree import ResultsTree, SpecSummary, StoredRun, read_spec_summary
from involbench.spec.trial import shared_coordinates
from involbench.text import first_of


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


_ALWAYS = ("test_accuracy", "best_val_accuracy", "test_loss", "seconds_per_epoch")
"""Metrics that every comparison names, measured or not."""


def result_of(
    arm: Arm, protocol: dict[str, Any], wanted: Wanted, warnings: list[str]
) -> ModelResult:
    """What is known of one arm; `warnings` gathers what could not be read."""
    finished = {run.record.trial.seed: run for run in arm.finished}
    failed = [run.record for run in arm.runs if run.record.status != "finished"]
    collapsed = tuple(seed for seed, run in finished.items() if run.record.collapsed)
    data = next((run.record.data for run in reversed(arm.runs) if run.record.data), None)
    parameters = parameter_counts(arm.finished, warnings)
    values = {seed: measure(run, parameters, wanted, warnings) for seed, run in finished.items()}
    return ModelResult(
        model=arm.model,
        point=arm.point,
        n_finished=len(finished),
        n_collapsed=len(collapsed),
        n_failed=len(failed),
        runs={seed: run.record.run_id for seed, run in finished.items()},
        collapsed_seeds=collapsed,
        failures={record.trial.seed: record.error or "no reason given" for record in failed},
        chance=data.chance if data else None,
        fingerprint=data.fingerprint if data else None,
        experiments=frozenset(run.record.trial.experiment for run in arm.runs),
        protocol=protocol,
        metrics={
            name: summarize({seed: row.get(name) for seed, row in values.items()})
            for name in _names(values)
        },
        parameters=parameters,
        differences={},
    )


def _names(values: dict[int, Values]) -> list[str]:
    """The metrics that some seed has, in the order of METRICS, the unknown last."""
    had = {name for row in values.values() for name in row} | {*_ALWAYS}
    return [*(name for name in METRICS if name in had), *sorted(had - set(METRICS))]


def parameter_counts(runs: Sequence[StoredRun], warnings: list[str]) -> ParameterCounts | None:
    """The counts of the first finished run that has them; those of an arm do not differ."""
    for run in runs:
        try:
            counts = run.parameters()
        except ResultsError as error:
            warnings.append(str(error))
        else:
            operators = {row.layer for row in counts.layers if row.role == "operator"}
            return ParameterCounts(
                total=counts.total,
                trainable=counts.trainable,
                non_trainable=counts.non_trainable,
                by_role=counts.by_role,
                operator_layers=tuple(sorted(operators)),
                macs=counts.macs if counts.layers and not counts.not_counted else None,
            )
    return None


_NO_OUTLINE = SpecSummary()
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


@gc_paused()
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
    outline = read_spec_summary(tree.folder(experiment))
    return compare(experiment, runs, baseline, warnings, outline, wanted, overrides)


def compare(
    name: str,
    runs: Iterable[StoredRun],
    baseline: str | None = None,
    warnings: Sequence[str] = (),
    outline: SpecSummary = _NO_OUTLINE,
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
    outline: SpecSummary,
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
