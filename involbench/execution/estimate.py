"""How long a run will probably take, from runs that have ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from involbench.execution.plan import PlannedTrial
from involbench.results.reading import StoredRun
from involbench.spec.trial import Trial


@dataclass(frozen=True)
class Estimate:
    """What earlier runs tell of the trials to run."""

    seconds: float
    """One worker's time for the trials that are known."""
    unknown: int
    """How many trials have settings that no finished run has."""
    machines: tuple[str, ...]
    """What the earlier runs were trained on."""


def estimate(todo: Sequence[PlannedTrial], runs: Sequence[StoredRun]) -> Estimate:
    """Add up the median times of finished runs that differ from the trials in their seed alone.

    Args:
        todo: The trials to run.
        runs: Of the same experiment.
    """
    earlier: dict[str, list[StoredRun]] = {}
    for run in runs:
        if run.record.status == "finished" and run.record.data is not None:
            earlier.setdefault(_settings(run.record.trial), []).append(run)
    alike = [earlier[key] for item in todo if (key := _settings(item.trial)) in earlier]
    hardware = (run.record.hardware for runs in alike for run in runs)
    return Estimate(
        seconds=sum(median(run.record.seconds for run in runs) for runs in alike),
        unknown=len(todo) - len(alike),
        machines=tuple(dict.fromkeys(f"{h.trained_on}, {h.cpu}" for h in hardware if h)),
    )


def _settings(trial: Trial) -> str:
    """What decides the result but the seed and the images themselves."""
    return json.dumps(trial.settings(""), sort_keys=True)
