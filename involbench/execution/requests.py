"""What the runner asks of a worker to train and to look around, and some of the results."""

from dataclasses import dataclass

from involbench.results.benchmark import Machine
from involbench.results.finding import Finding
from involbench.results.paths import ResultsPath
from involbench.results.remark import Remark
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
    remarks: tuple[Remark, ...] = ()
    """What the user should know of it: files that are not used, images in train and test."""


@dataclass(frozen=True)
class CheckTrials:
    """Build the trials' models and optimizers; the result is a tuple of Faults, of all of them."""

    trials: tuple[Trial, ...]
    device: str
    as_run: bool = True
    """Also load the images and look for the devices, as a run does."""


@dataclass(frozen=True)
class Fault:
    """One thing that would end a trial before its first step."""

    trial: int
    """Its place among the trials that were asked about."""
    key: str
    """The setting, such as `training.optimizer`."""
    reason: str
    names: tuple[str, ...] = ()
    """All that the reason is about, where it names only the first of them."""


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
    """Load a dataset, unless that would download it; the result is a tuple of Findings.

    The first is about the dataset itself: it is there, where that finding is `ok`.
    """

    data: DataSpec


Examine = ExamineBackend | ExamineDatasets | ExamineSource
Examined = tuple[Finding, ...] | tuple[tuple[Finding, ...], Machine]
