"""The messages between the runner and a worker.

The runner sends a Request. The worker answers with any number of reports, then Done or a Failure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from involbench.errors import InvolbenchError, Message, UsageError
from involbench.plugins import line_of
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, EpochReport, Remark, RunRecord
from involbench.spec.data import DataSpec
from involbench.spec.trial import Trial


def dataset_key(data: DataSpec) -> DataSpec:
    """The part of a data spec that decides which images are loaded."""
    return DataSpec.model_validate(data.source)


def source_key(data: DataSpec) -> str:
    """The key that an error names when the images cannot be loaded."""
    return "data.path" if data.path else "data"


@dataclass(frozen=True)
class Loaded:
    """What the runner must know of a dataset."""

    fingerprint: str
    train_size: int
    """How many training images it has."""
    remarks: tuple[Remark, ...] = ()
    """What the user should know of it: files that are not used, images in train and test."""


@dataclass(frozen=True)
class TrialRequest:
    """A trial to train and test."""

    trial: Trial
    run_dir: ResultsPath
    """Named by the run id."""
    argv: tuple[str, ...]
    since: float
    """When the runner started, in seconds since 1970. A run that began later belongs to another
    runner of the same experiment, and its result is used as it is."""
    force: bool
    """Repeat what ended before `since`."""
    reuse: tuple[ResultsPath, ...] = ()
    """Folders of experiments whose finished runs may have trained the same network."""


@dataclass(frozen=True)
class Network:
    """A network to time."""

    name: str
    trial: Trial
    facts: DataFacts | None = None
    """The shape of its images and its classes; None: found out from the data of the trial."""
    run_dir: ResultsPath | None = None
    """The run it comes from; the measurements are stored there."""


@dataclass(frozen=True)
class ModelBenchmark:
    """Networks to time side by side."""

    networks: tuple[Network, ...]
    """The first one is the baseline."""
    image_sizes: tuple[tuple[int, int], ...]
    """Each network is timed at each of them; empty: at the size of the images of its trial."""
    batches: tuple[int, ...]
    step_batch: int
    repeats: int
    device: str


@dataclass(frozen=True)
class TrainedRun:
    """A finished run with its network."""

    record: RunRecord
    weights: ResultsPath
    """Its model.keras."""
    caveats: tuple[str, ...] = ()
    """What the user should know before relying on it."""

    @property
    def facts(self) -> DataFacts:
        """What the run recorded of its dataset; every finished run has it."""
        assert self.record.data is not None
        return self.record.data


@dataclass(frozen=True)
class Request:
    """A call of a function of `handlers` or `benchmark_handlers`, pickled by its name."""

    handler: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Done:
    """What the handler returned."""

    result: Any


def known_error(error: Exception) -> InvolbenchError:
    """The error, or the message for the user about an error that only the worker can import."""
    if isinstance(error, InvolbenchError) and type(error).__module__.startswith("involbench."):
        return error
    if isinstance(error, ModuleNotFoundError):
        remedy = "install it, or choose another KERAS_BACKEND"
        return UsageError(f"{error.name} is not installed", remedy=remedy)
    place = line_of(error)
    text = f"{type(error).__name__}: {str(error).strip() or 'no message'}"
    return InvolbenchError(f"{place}: {text}" if place else text)


@dataclass(frozen=True)
class Failure:
    """The request failed."""

    error: InvolbenchError
    traceback: str
    """That of the worker, which is the cause of the error in the runner."""

    def raised(self) -> NoReturn:
        """Raise the error."""
        raise self.error from RuntimeError(self.traceback)


@dataclass(frozen=True)
class TrialClaimed:
    """The worker has locked the run folder and begins to train."""


@dataclass(frozen=True)
class Notice:
    """A line for the user."""

    text: str
    in_full: str = ""
    """What `-v` prints instead: with all names, where the line has only the first few."""

    @classmethod
    def of(cls, message: Message, warning: bool = False) -> "Notice":
        """With as many names as fit a line, and with all of them."""
        before = "warning: " if warning else ""
        return cls(f"{before}{message}", f"{before}{message.in_full()}")


@dataclass(frozen=True)
class Progress:
    """How far a long operation has come."""

    what: str
    done: int
    total: int


Report = TrialClaimed | Notice | Progress | EpochReport
Show = Callable[[Report], None]
"""Takes the reports."""
