"""What the runner tells the screen."""

from dataclasses import dataclass

from involbench.execution.messages import Report
from involbench.results.paths import ResultsPath
from involbench.results.progress import EpochReport
from involbench.results.record import RunRecord
from involbench.spec.trial import Trial


@dataclass(frozen=True)
class Planned:
    """What there is to do."""

    todo: tuple[Trial, ...]
    finished: int


@dataclass(frozen=True)
class TrialStarted:
    """A worker began with a trial."""

    trial: Trial
    index: int
    """Counted from 1, among the trials to run."""
    total: int


@dataclass(frozen=True)
class EpochEnded:
    """A running trial ended an epoch."""

    started: TrialStarted
    report: EpochReport
    run_id: str


@dataclass(frozen=True)
class TrialEnded:
    """A trial has its record, whatever its status."""

    started: TrialStarted
    record: RunRecord
    run_dir: ResultsPath
    elsewhere: bool = False
    """Another runner, which works on the same experiment, made it."""


@dataclass(frozen=True)
class SeedEnded:
    """All trials of a seed are done; the records of those that finished, in the spec's order."""

    seed: int
    records: tuple[RunRecord, ...]


Event = Report | Planned | TrialStarted | EpochEnded | TrialEnded | SeedEnded
