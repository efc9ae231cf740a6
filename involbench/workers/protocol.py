"""The messages between the runner and a worker.

The runner sends a Request. The worker answers with any number of reports, then Done or a Failure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from involbench.errors import InvolbenchError, Message, SettingError, UsageError
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, EpochReport, RunRecord
from involbench.results.remark import Remark
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
class Fault:
    """One thing that would end a trial before its first step."""

    trial: int
    """Its index among the trials that were checked."""
    key: str
    """The setting, such as `training.optimizer`."""
    reason: str
    names: tuple[str, ...] = ()
    """All that the reason is about, where it names only the first of them."""


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


@dataclass(frozen=True)
class Failure:
    """The request failed."""

    message: Message
    usage: bool
    """The user can correct it: exit code 2, no traceback."""
    traceback: str
    key: str = ""
    """The setting that is wrong, if it is one."""

    @classmethod
    def of(cls, error: Exception, message: Message, usage: bool, traceback: str) -> Self:
        """A Failure from an error; `message` and `usage` are ignored for a SettingError."""
        if isinstance(error, SettingError):
            return cls(Message(error.reason), True, traceback, error.key)
        return cls(message, usage, traceback)

    def error(self) -> InvolbenchError:
        """The same as an exception; its cause has the traceback of the worker."""
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
