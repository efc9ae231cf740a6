"""From the runs of one experiment to the comparison of its models."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from involbench.comparison.claims import judge
from involbench.comparison.curves import fronts, sweep_curves
from involbench.comparison.differences import DEFAULT_RULE, Rule, with_margin, with_primary
from involbench.comparison.images import Known, over_images, trained_pair
from involbench.comparison.metrics import (
    ACCURACY,
    COLLAPSED,
    NO_METRICS,
    MetricSelection,
    depends_on_learning,
    known_metrics,
    measure,
)
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.pairing import (
    choose_baseline,
    metric_differences,
    not_comparable,
)
from involbench.comparison.schema import (
    Comparison,
    Difference,
    ModelResult,
    ParameterCounts,
    Summary,
)
from involbench.comparison.selection import (
    Arm,
    SettingsGroup,
    choose_groups,
    left_out,
    select_groups,
    stated_group,
    superseded,
)
from involbench.comparison.settings import protocol
from involbench.comparison.validity import (
    edge_warnings,
    environments,
    machines,
    validity_warnings,
)
from involbench.errors import ResultsError
from involbench.results.parallel import gc_paused
from involbench.results.record import Parameters
from involbench.results.tree import ResultsTree, SpecSummary, StoredRun, read_spec_summary
from involbench.spec.trial import shared_coordinates
from involbench.statistics.shares import share_interval
from involbench.text import first_of

_NO_SPEC = SpecSummary()
_ALL_METRICS = MetricSelection()
_ALWAYS = ("test_accuracy", "best_val_accuracy", "test_loss", "seconds_per_epoch")
"""Metrics that every comparison names, measured or not."""


@dataclass(frozen=True)
class GroupComparison:
    """The comparison of one group of settings, with its runs."""

    comparison: Comparison
    runs: tuple[StoredRun, ...]
    left_out: tuple[str, ...] = ()
    """A warning for each arm with further runs in other groups only."""


def compare_experiment(
    tree: ResultsTree,
    experiment: str,
    baseline: str | None = None,
    selection: MetricSelection = _ALL_METRICS,
    overrides: Sequence[str] = (),
    rule: Rule = DEFAULT_RULE,
) -> Comparison:
    """Compare the models of an experiment, with the settings that its spec states.

    Runs with other settings are left out with a warning. `compare_groups` compares all.
    """
    groups = compare_groups(tree, experiment, baseline, selection, overrides, rule)
    stated = next(group for group in groups if group.comparison.is_stated)
    warnings = (*stated.comparison.warnings, *stated.left_out)
    return stated.comparison.model_copy(update={"warnings": warnings})


def compare_stated(tree: ResultsTree, experiment: str) -> GroupComparison:
    """The runs with the settings that spec.yaml states; no metric is read."""
    groups = compare_groups(tree, experiment, selection=NO_METRICS)
    return next(group for group in groups if group.comparison.is_stated)


@gc_paused()
def compare_groups(
    tree: ResultsTree,
    experiment: str,
    baseline: str | None = None,
    selection: MetricSelection = _ALL_METRICS,
    overrides: Sequence[str] = (),
    rule: Rule = DEFAULT_RULE,
) -> list[GroupComparison]:
    """Read the runs of an experiment and compare its models; for the arguments see `compare`."""
    with tree.kept_open(experiment):
        runs, warnings, unfinished = tree.all_runs(experiment)
        if unfinished:
            warnings.append(f"left out unfinished runs: {first_of(unfinished)}")
        spec = read_spec_summary(tree.folder(experiment))
        return compare(experiment, runs, baseline, warnings, spec, selection, overrides, rule)


def compare(
    name: str,
    runs: Iterable[StoredRun],
    baseline: str | None = None,
    warnings: Sequence[str] = (),
    spec: SpecSummary = _NO_SPEC,
    selection: MetricSelection = _ALL_METRICS,
    overrides: Sequence[str] = (),
    rule: Rule = DEFAULT_RULE,
) -> list[GroupComparison]:
    """Compare the models of one experiment, once for each group of settings.

    No run is dropped silently: collapsed runs are compared as a share, failed runs are counted,
    and runs with other settings have a comparison of their own. The group with the most runs comes
    first; without runs, there is one empty comparison. To select all metrics reads every history
    and, for older records, the predictions. With `overrides`, see `choose_groups`, only runs with
    these settings are compared.

    Raises:
        UsageError: No run is of the model `baseline`, or has the settings.
    """
    groups = choose_groups(name, select_groups(runs, spec.models, spec.tuning), overrides)
    models = list(dict.fromkeys(arm.model for group in groups for arm in group.arms))
    choose_baseline(name, models, baseline, spec)  # Raises if no group has it.
    warnings = [*warnings, *spec.faults, *_backend_warnings(groups)]
    if not groups:
        empty = _compare_group(name, SettingsGroup(()), None, warnings, spec, selection, rule)
        return [GroupComparison(empty, ())]
    stated, difference = groups[0], None
    if len(groups) > 1 or (spec.claims and not overrides):
        stated, difference = stated_group(groups, spec.values, spec.tuning)
    if difference and spec.claims and not overrides:
        warnings.append(f"claims use other settings than spec.yaml: {difference}")
    found = []
    for group in groups:
        comparison = _compare_group(name, group, baseline, warnings, spec, selection, rule)
        if group is not stated:
            comparison = comparison.model_copy(update={"is_stated": False})
        elif len(groups) > 1:
            why = "as spec.yaml states" if difference == "" else "the latest"
            comparison = comparison.model_copy(update={"why_judged": why})
        found.append(GroupComparison(comparison, tuple(group.runs), tuple(left_out(groups, group))))
    return found


def _backend_warnings(groups: Sequence[SettingsGroup]) -> list[str]:
    """A warning if trials were run with several backends, which have the same run ids."""
    runs = list({run.path: run for group in groups for run in group.runs}.values())
    ids = Counter(run.record.run_id for run in runs)
    if len(ids) == len(runs):
        return []
    backends = Counter(run.record.backend or "unknown" for run in runs)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(backends.items()))
    return [
        f"the same trials were run with several backends ({counts} runs); their results differ, "
        "so each backend has a comparison of its own"
    ]


def _compare_group(
    name: str,
    group: SettingsGroup,
    baseline: str | None,
    warnings: Sequence[str],
    spec: SpecSummary,
    selection: MetricSelection,
    rule: Rule,
) -> Comparison:
    arms = group.arms
    models = list(dict.fromkeys(arm.model for arm in arms))
    rule = replace(rule, margin=rule.margin or spec.margin, primary=spec.primary)
    requested = baseline if baseline in models else None
    chosen, other_baseline = choose_baseline(name, models, requested, spec)
    named = selection.named.union((claim.metric for claim in spec.claims), [COLLAPSED])
    compared = selection.compared and selection.compared | {COLLAPSED}
    selection = replace(selection, named=named, compared=compared)
    protocols = [protocol(arm.runs[-1]) for arm in arms]
    warnings = [*warnings, *other_baseline, *superseded(group)]
    warnings += edge_warnings(arms, spec.tuning)
    warnings += validity_warnings(arms, protocols, chosen, selection.includes_benchmarks)
    alone = [result_of(*arm, selection, warnings) for arm in zip(arms, protocols, strict=True)]
    results = _with_differences(alone, arms, chosen, selection, rule, warnings)
    return Comparison(
        experiment=name,
        baseline=chosen,
        models=tuple(results),
        curves=sweep_curves(results),
        fronts=fronts(results),
        claims=judge(spec.claims, alone, spec.sweep, rule.paired),
        paired=rule.paired,
        margin=rule.margin,
        primary=rule.primary,
        environment=environments(arms),
        warnings=tuple(warnings),
        settings=group.settings,
    )


def result_of(
    arm: Arm, protocol: dict[str, Any], selection: MetricSelection, warnings: list[str]
) -> ModelResult:
    """The result of one arm; files that can't be read add to `warnings`."""
    finished = {run.record.trial.seed: run for run in arm.finished}
    failed = [run.record for run in arm.runs if run.record.status != "finished"]
    collapsed = tuple(seed for seed, run in finished.items() if run.record.collapsed)
    data = next((run.record.data for run in reversed(arm.runs) if run.record.data), None)
    parameters = parameter_counts(arm.finished, warnings)
    values = {seed: measure(run, parameters, selection, warnings) for seed, run in finished.items()}
    learned = {seed: row for seed, row in values.items() if seed not in collapsed}
    found = {name for row in values.values() for name in row} | {*_ALWAYS}
    known = known_metrics()  # In its order; others come last.
    names = [*(name for name in known if name in found), *sorted(found - known.keys())]
    return ModelResult(
        model=arm.model,
        point=arm.point,
        tuned=arm.tuned,
        n_finished=len(finished),
        n_collapsed=len(collapsed),
        collapse_interval=share_interval(len(collapsed), len(finished)) if finished else None,
        n_failed=len(failed),
        runs={seed: run.record.run_id for seed, run in finished.items()},
        collapsed_seeds=collapsed,
        lagging_seeds=tuple(s for s, run in finished.items() if run.record.validation_lags),
        failures={record.trial.seed: record.error or "no reason given" for record in failed},
        chance=data.chance if data else None,
        fingerprint=data.fingerprint if data else None,
        experiments=frozenset(run.record.trial.experiment for run in arm.runs),
        protocol=protocol,
        example=arm.example.record,
        machines=machines(arm),
        metrics={
            name: Summary.of({seed: row.get(name) for seed, row in values.items()})
            for name in names
        },
        learned={
            name: Summary.of({seed: row.get(name) for seed, row in learned.items()})
            for name in names
            if collapsed and depends_on_learning(name)
        },
        parameters=parameters,
        differences={},
    )


def parameter_counts(runs: Sequence[StoredRun], warnings: list[str]) -> ParameterCounts | None:
    """The counts of the first run that has them; all runs of an arm have the same."""
    for run in runs:
        try:
            counts = run.parameters()
        except ResultsError as error:
            warnings.append(str(error))
        else:
            operators = {row.layer for row in counts.layers if row.role == "operator"}
            return ParameterCounts(
                **counts.model_dump(include={"total", "trainable", "non_trainable", "by_role"}),
                operator_layers=tuple(sorted(operators)),
                **_macs(counts),
            )
    return None


def _macs(counts: Parameters) -> dict[str, Any]:
    if not counts.layers or counts.not_counted:
        return {}
    return {"macs": counts.macs, "macs_by_role": counts.macs_by_role}


def _with_differences(
    alone: Sequence[ModelResult],
    arms: Sequence[Arm],
    baseline: str | None,
    selection: MetricSelection,
    rule: Rule,
    warnings: list[str],
) -> list[ModelResult]:
    """The results with their differences from the baseline at the same sweep point."""
    rows: list[dict[str, Difference]] = []
    references: dict[str, list[tuple[ModelResult, Arm]]] = {}
    for pair in zip(alone, arms, strict=True):
        if pair[0].model == baseline:
            references.setdefault(_shared_point(pair[0]), []).append(pair)
    for result, arm in zip(alone, arms, strict=True):
        row: dict[str, Difference] = {}
        rows.append(row)
        others = references.get(_shared_point(result), [])
        if result.model == baseline or not others:
            continue
        other, other_arm = others[0]
        why = not_comparable(result, other)
        if len(others) > 1:
            why = f"{baseline} has {len(others)} results at the same sweep point"
        if why:
            warnings.append(f"{result.model} has no difference: {why}")
            continue
        row |= metric_differences(result, other, selection.compared, rule.paired, in_family=True)
        accuracy = row.get(ACCURACY)
        if accuracy and (accuracy.n, accuracy.runs) == (1, (1, 1)):
            (seed,) = accuracy.by_seed
            trained = trained_pair(arm, other_arm, seed, warnings)
            row[ACCURACY] = accuracy.model_copy(update={"trained_pair": trained})
    tables: dict[str, list[tuple[str, dict[str, Difference]]]] = {}
    for result, row in zip(alone, rows, strict=True):
        tables.setdefault(_shared_point(result), []).append((result.model, row))
    for table in tables.values():
        _correct(table, rule)
    known: Known = {}
    for result, row, arm in zip(alone, rows, arms, strict=True):
        if ACCURACY in row:
            other, other_arm = references[_shared_point(result)][0]
            sides = (arm, result.compared(ACCURACY)), (other_arm, other.compared(ACCURACY))
            row[ACCURACY] = over_images(row[ACCURACY], *sides, known, warnings)
    return [
        result.model_copy(update={"differences": row})
        for result, row in zip(alone, rows, strict=True)
    ]


def _correct(table: Sequence[tuple[str, dict[str, Difference]]], rule: Rule) -> None:
    """Correct the verdicts at one sweep point: those on one metric hold together.

    The shares of collapsed runs are in one family with the accuracy of the others.
    """
    for metric in dict.fromkeys(name for _, row in table for name in row):
        family = [(model, row, metric) for model, row in table if metric in row]
        if metric == ACCURACY:
            family += [(model, row, COLLAPSED) for model, row in table if _has_collapsed(row)]
        elif metric == COLLAPSED and any(ACCURACY in row for _, row in table):
            continue
        primary = [model == rule.primary and name == ACCURACY for model, _, name in family]
        tested = with_primary([row[name] for _, row, name in family], primary, rule.primary or "")
        for (_, row, name), difference in zip(family, tested, strict=True):
            row[name] = difference
            if rule.margin is not None and name == ACCURACY:
                row[name] = with_margin(difference, rule.margin)


def _has_collapsed(row: dict[str, Difference]) -> bool:
    return COLLAPSED in row and any(map(any, row[COLLAPSED].samples))


def _shared_point(result: ModelResult) -> str:
    return repr(sorted(shared_coordinates(result.point).items()))


def sort_models(comparison: Comparison, by: str) -> Comparison:
    """Sort the models of each sweep point by the mean of a metric, the best first.

    The lowest value is first where the metric has no better direction; models without a value are
    last.
    """
    sign = -1 if metric_called(by).better == "higher" else 1
    points = list(map(_shared_point, comparison.models))

    def key(result: ModelResult) -> tuple[int, bool, float]:
        place, mean = points.index(_shared_point(result)), result.mean(by)
        return place, mean is None, sign * (mean or 0.0)

    return comparison.model_copy(update={"models": tuple(sorted(comparison.models, key=key))})


def only_changed(comparison: Comparison, metrics: Sequence[str]) -> tuple[Comparison, list[str]]:
    """Leave out the models that equal the baseline in all of the metrics, seed by seed.

    Returns:
        The other models, and the names of those left out.
    """
    equal = [result for result in comparison.models if all_equal(result.differences, metrics)]
    kept = tuple(result for result in comparison.models if result not in equal)
    return comparison.model_copy(update={"models": kept}), [result.model for result in equal]


def all_equal(differences: Mapping[str, Difference], metrics: Sequence[str]) -> bool:
    """Whether every seed has a pair, and the same value, in each of the metrics."""
    found = [differences.get(metric) for metric in metrics]
    return all(each is not None and each.all_equal and not each.missing_seeds for each in found)
