"""From the runs of one experiment to the comparison of its models."""

from collections.abc import Iterable, Sequence

from involbench.analysis.comparison import METRICS, Comparison, ModelResult, ParameterCounts
from involbench.analysis.fairness import environment_warnings, environments, protocol_warnings
from involbench.analysis.pairing import choose_baseline, differences
from involbench.analysis.selection import Arm, select_arms
from involbench.analysis.summary import summarize
from involbench.errors import ResultsError
from involbench.results.outline import Outline, read_outline
from involbench.results.reading import ResultsTree, StoredRun

_NO_OUTLINE = Outline()


def compare_experiment(
    tree: ResultsTree, experiment: str, baseline: str | None = None
) -> Comparison:
    """Read the runs of an experiment and compare its models; see `compare`."""
    runs, warnings = tree.runs(experiment)
    outline = read_outline(tree.folder(experiment))
    return compare(experiment, runs, baseline, warnings, outline)


def compare(
    name: str,
    runs: Iterable[StoredRun],
    baseline: str | None = None,
    warnings: Sequence[str] = (),
    outline: Outline = _NO_OUTLINE,
) -> Comparison:
    """Compare the models of one experiment, paired by seed.

    Nothing that was run is dropped in silence: collapsed runs are part of every mean, failed ones
    are counted, and runs with other settings than the latest are left out with a warning.

    Args:
        name: The experiment's name.
        runs: All its runs.
        baseline: The model to hold the others against; default: the spec's, or the first.
        warnings: What went wrong while the runs were read.
        outline: The order of the models and the spec's baseline.

    Raises:
        UsageError: No run is of the model `baseline`.
    """
    arms, left_out = select_arms(runs, outline.models)
    models = list(dict.fromkeys(arm.model for arm in arms))
    chosen = choose_baseline(name, models, baseline, outline)
    found = environments(arms)
    said = [*warnings, *left_out, *protocol_warnings(arms, chosen)]
    said += environment_warnings(arms, found)
    alone = [_result(arm, _parameters(arm, said)) for arm in arms]
    paired = []
    for result in alone:
        against, unpaired = differences(result, alone, chosen)
        said += unpaired
        paired.append(result.model_copy(update={"differences": against}))
    return Comparison(
        experiment=name,
        baseline=chosen,
        models=tuple(paired),
        environment=found,
        warnings=tuple(said),
    )


def _result(arm: Arm, parameters: ParameterCounts | None) -> ModelResult:
    """One arm over its seeds, not yet held against another."""
    finished = {run.record.trial.seed: run.record for run in arm.finished}
    failed = [run.record for run in arm.runs if run.record.status != "finished"]
    collapsed = tuple(seed for seed, record in finished.items() if record.collapsed)
    data = next((run.record.data for run in reversed(arm.runs) if run.record.data), None)
    return ModelResult(
        model=arm.model,
        point=arm.point,
        n_finished=len(finished),
        n_collapsed=len(collapsed),
        n_failed=len(failed),
        runs={seed: record.run_id for seed, record in finished.items()},
        collapsed_seeds=collapsed,
        failures={record.trial.seed: record.error or "no reason given" for record in failed},
        chance=data.chance if data else None,
        metrics={
            metric: summarize({seed: r.metrics.get(metric) for seed, r in finished.items()})
            for metric in METRICS
        },
        parameters=parameters,
        differences={},
    )


def _parameters(arm: Arm, warnings: list[str]) -> ParameterCounts | None:
    """The counts of the first run that has them; the runs of an arm do not differ in them."""
    for run in arm.finished:
        try:
            counts = run.parameters()
        except ResultsError as error:
            warnings.append(str(error))
        else:
            return ParameterCounts(**counts.model_dump(exclude={"layers"}))
    return None
