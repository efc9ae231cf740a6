"""What passes between the runner and a worker: requests, reports, results.

Each request is answered by any number of reports and one result or Failure.
"""

from dataclasses import dataclass
from typing import Any, Self

from involbench.errors import InvolbenchError, Message, SettingError, UsageError
from involbench.results.arrays import KernelMaps, Predictions
from involbench.results.benchmarks import (
    Exported,
    ExportRecord,
    ExportTimes,
    Format,
    Machine,
    ModelsMemory,
    ModelsTimes,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    StepTimes,
)
from involbench.results.checks import Check
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, EpochReport, Parameters, RunRecord, WidthMatch
from involbench.results.remark import Remark
from involbench.spec.schema import DataSpec
from involbench.spec.trial import Trial

_DECISIVE = {"dataset", "path", "image_size", "resize", "test_fraction"}


def dataset_key(data: DataSpec) -> DataSpec:
    """What of a data spec decides which images are loaded."""
    return DataSpec(**data.model_dump(include=_DECISIVE))


def dataset_arguments(source: DataSpec) -> dict[str, Any]:
    """The arguments of `load_dataset` and `describe_dataset`."""
    return source.model_dump(include=_DECISIVE)


def source_key(data: DataSpec) -> str:
    """The key to blame where the images cannot be loaded."""
    return "data.path" if data.path else "data"


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
Examined = tuple[Check, ...] | tuple[tuple[Check, ...], Machine]


@dataclass(frozen=True)
class TimeOperator:
    """Time the operator and other forms at one shape; the result is an OperatorTimes."""

    shape: OperatorShape
    repeats: int
    device: str


@dataclass(frozen=True)
class MeasureMemory:
    """Measure what the same forms hold; the result is an OperatorMemory."""

    shape: OperatorShape
    device: str


@dataclass(frozen=True)
class TimeSteps:
    """Time training steps of networks; the result is a StepTimes."""

    repeats: int
    device: str


@dataclass(frozen=True)
class Network:
    """One of the networks to be timed."""

    name: str
    trial: Trial
    facts: DataFacts | None = None
    """By which its images are known; otherwise the trial's data are looked at."""
    run_dir: ResultsPath | None = None
    """Of the run that it is of, where what is measured is kept."""


@dataclass(frozen=True)
class TimeModels:
    """Time networks side by side; the result is a ModelsTimes."""

    networks: tuple[Network, ...]
    """The first one is the baseline."""
    image_sizes: tuple[tuple[int, int], ...]
    """Each network at each of them; none stands for that of its trial's data."""
    batches: tuple[int, ...]
    step_batch: int
    repeats: int
    device: str


@dataclass(frozen=True)
class MeasureModels:
    """Measure what the same networks hold; the result is a ModelsMemory."""

    times: TimeModels


@dataclass(frozen=True)
class FitBatches:
    """Halve the batches that do not fit into memory; the result is a TimeModels that does."""

    times: TimeModels


@dataclass(frozen=True)
class TimeExports:
    """Time exported networks side by side; the result is an ExportTimes."""

    exports: tuple[Exported, ...]
    threads: int
    repeats: int
    device: str = "cpu"


ModelBenchmark = TimeModels | MeasureModels | FitBatches
Benchmark = TimeOperator | MeasureMemory | TimeSteps | TimeExports | ModelBenchmark
BenchmarkResult = (
    OperatorTimes
    | OperatorMemory
    | StepTimes
    | ExportTimes
    | ModelsTimes
    | ModelsMemory
    | TimeModels
)


@dataclass(frozen=True)
class TrainedRun:
    """A finished run, whose network is wanted."""

    record: RunRecord
    weights: ResultsPath
    """Its model.keras."""

    @property
    def facts(self) -> DataFacts:
        """What the run saw of its dataset, which every finished run has recorded."""
        assert self.record.data is not None
        return self.record.data


@dataclass(frozen=True)
class PredictFiles:
    """Classify image files; the result is Answers."""

    run: TrainedRun
    files: tuple[str, ...]


@dataclass(frozen=True)
class PredictTest:
    """Classify some of the run's test images; the result is Answers."""

    run: TrainedRun
    count: int


@dataclass(frozen=True)
class MakeKernels:
    """Make the involution kernels for some of the run's test images; the result is KernelMaps."""

    run: TrainedRun
    count: int
    chosen: tuple[int, ...]
    """Numbers of the images, in place of so many."""
    pixel: tuple[int, int] | None
    untrained: bool


@dataclass(frozen=True)
class ExportRun:
    """Write the run's network in another format; the result is an ExportRecord."""

    run: TrainedRun
    form: Format
    folder: ResultsPath
    count: int
    """Test images that Keras and the exported network are held against each other on."""


InferenceRequest = PredictFiles | PredictTest | MakeKernels
InferenceResult = Predictions | KernelMaps

Request = (
    LoadData
    | CheckTrials
    | RunTrial
    | CountParameters
    | MatchWidth
    | InferenceRequest
    | ExportRun
    | Benchmark
    | Examine
)
Result = (
    Loaded
    | RunRecord
    | tuple[Parameters, ...]
    | tuple[Fault, ...]
    | WidthMatch
    | InferenceResult
    | ExportRecord
    | BenchmarkResult
    | Examined
    | Check
    | None
)


@dataclass(frozen=True)
class Done:
    """The request's result."""

    result: Result


@dataclass(frozen=True)
class Failure:
    """The request failed."""

    message: Message
    usage: bool
    """The user can mend it: exit code 2, no traceback."""
    traceback: str
    key: str = ""
    """The setting that is wrong, if it is one."""

    @classmethod
    def of(cls, error: Exception, message: Message, usage: bool, traceback: str) -> Self:
        """What is sent of an error; `message` and `usage` are for all that is not a setting's."""
        if isinstance(error, SettingError):
            return cls(Message(error.reason), True, traceback, error.key)
        return cls(message, usage, traceback)

    def error(self) -> InvolbenchError:
        """The same as an exception, with the worker's traceback as its cause."""
        error: InvolbenchError
        if self.key:
            error = SettingError(self.key, str(self.message))
        else:
            kind = UsageError if self.usage else InvolbenchError
            text, names, remedy = self.message.text, self.message.names, self.message.remedy
            error = kind(text, names=names, remedy=remedy)
        error.__cause__ = RuntimeError(self.traceback)
        return error


@dataclass(frozen=True)
class TrialClaimed:
    """The trial that was asked for is the worker's own now, and is being run."""


@dataclass(frozen=True)
class Notice:
    """A line for the user."""

    text: str
    in_full: str = ""
    """What `-v` prints in its place: all names, where the line has the first few."""

    @classmethod
    def of(cls, message: Message, warning: bool = False) -> "Notice":
        """With as many names as fit a line, and with all of them."""
        before = "warning: " if warning else ""
        return cls(f"{before}{message}", f"{before}{message.in_full()}")


@dataclass(frozen=True)
class Progress:
    """Something long has come so far."""

    what: str
    done: int
    total: int


Report = TrialClaimed | Notice | Progress | EpochReport
