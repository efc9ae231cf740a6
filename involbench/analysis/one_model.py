"""One model at one sweep point, over its seeds, not yet held against another."""

from collections.abc import Sequence
from typing import Any

from involbench.analysis.comparison import ModelResult, ParameterCounts
from involbench.analysis.measure import Values, Wanted, measure
from involbench.analysis.metrics import METRICS
from involbench.analysis.selection import Arm
from involbench.analysis.summary import summarize
from involbench.errors import ResultsError
from involbench.results.reading import StoredRun

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
