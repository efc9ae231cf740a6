"""What passes between the runner and its worker process."""

from dataclasses import dataclass
from pathlib import Path

from involbench.results.benchmark import (
    Machine,
    ModelsMemory,
    ModelsTimes,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    StepTimes,
)
from involbench.results.budget import Matched
from involbench.results.exports import Exported, ExportRecord, ExportTimes, Format
from involbench.results.finding import Finding
from involbench.results.looking import Answers, KernelMaps
from involbench.results.progress import EpochReport
from involbench.results.record import DataFacts, Parameters, RunRecord
from involbench.spec.data import DataSpec
from involbench.spec.trial import Trial

# Requests: runner -> worker. Each is answered by any number of reports and one result or Failure.


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
    run_dir: Path
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
    run_dir: Path | None = None
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


@dataclass(frozen=True)
class TrainedRun:
    """A finished run, whose network is wanted."""

    record: RunRecord
    weights: Path
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
    folder: Path
    count: int
    """Test images that Keras and the exported network are held against each other on."""


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


Look = PredictFiles | PredictTest | MakeKernels
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
Examine = ExamineBackend | ExamineDatasets | ExamineSource
Request = (
    LoadData
    | CheckTrials
    | RunTrial
    | CountParameters
    | MatchWidth
    | Look
    | ExportRun
    | Benchmark
    | Examine
)
Seen = Answers | KernelMaps
Examined = tuple[Finding, ...] | tuple[tuple[Finding, ...], Machine]
Result = (
    Loaded
    | RunRecord
    | tuple[Parameters, ...]
    | Matched
    | Seen
    | ExportRecord
    | BenchmarkResult
    | Examined
    | Finding
    | None
)


@dataclass(frozen=True)
class Done:
    """The request's result."""

    result: Result


@dataclass(frozen=True)
class Failure:
    """The request failed."""

    message: str
    usage: bool
    """The user can mend it: exit code 2, no traceback."""
    traceback: str


@dataclass(frozen=True)
class Began:
    """The trial that was asked for is the worker's own now, and is being run."""


@dataclass(frozen=True)
class Notice:
    """A line for the user."""

    text: str


@dataclass(frozen=True)
class Progress:
    """Something long has come so far."""

    what: str
    done: int
    total: int


Report = Began | Notice | Progress | EpochReport
