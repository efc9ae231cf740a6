"""What is asked of a worker that measures."""

from dataclasses import dataclass

from involbench.results.benchmark import (
    ModelsMemory,
    ModelsTimes,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    StepTimes,
)
from involbench.results.exports import Exported, ExportTimes
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts
from involbench.spec.trial import Trial


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
