"""What is asked of a worker about the network of a finished run."""

from dataclasses import dataclass

from involbench.results.exports import Format
from involbench.results.looking import Answers, KernelMaps
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, RunRecord


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


Look = PredictFiles | PredictTest | MakeKernels
Seen = Answers | KernelMaps
