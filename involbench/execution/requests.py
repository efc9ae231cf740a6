"""What the runner asks of a worker to train and to look around, and some of the results."""

from dataclasses import dataclass

from involbench.results.benchmark import Machine
from involbench.results.finding import Finding
from involbench.results.paths import ResultsPath
from involbench.spec.data import DataSpec
from involbench.spec.trial import Trial


@dataclass(frozen=True)
class LoadData:
    """Load a dataset; the result is a Loaded."""

    data: DataSpec


@dataclass(frozen=True)
class Loaded:
    """What the runner must know of a dataset."""

    fingerprint: str
    train_size: int
    """How many training images it has."""


@dataclass(frozen=True)
class CheckTrials:
    """Check that the trials can be built; the result is None."""

    trials: tuple[Trial, ...]
    device: str


@dataclass(frozen=True)
class RunTrial:
    """Train and test; the result is a RunRecord, or None while another process owns the run."""

    trial: Trial
    run_dir: ResultsPath
    """Named by the run's id."""
    argv: tuple[str, ...]
    since: float
    """When the runner started, in seconds since 1970: what was begun later is another runner's,
    which works on the same experiment, and is taken as it is."""
    force: bool
    """Nothing that is older than `since` counts."""


@dataclass(frozen=True)
class CountParameters:
    """Build the trials' models; the result is a Parameters for each."""

    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class MatchWidth:
    """Find the width that gives a model the size of another; the result is a Matched."""

    trial: Trial
    reference: Trial


@dataclass(frozen=True)
class ExamineBackend:
    """Look at device and operator; the result is (a tuple of Findings, a Machine)."""


@dataclass(frozen=True)
class ExamineDatasets:
    """See which of the built-in datasets are at hand; the result is a tuple of Findings."""


@dataclass(frozen=True)
class ExamineSource:
    """Load a dataset, unless that would download it; the result is a Finding."""

    data: DataSpec


Examine = ExamineBackend | ExamineDatasets | ExamineSource
Examined = tuple[Finding, ...] | tuple[tuple[Finding, ...], Machine]
