"""What passes between the runner and its worker process.

Each request is answered by any number of reports and one result or Failure.
"""

from dataclasses import dataclass
from typing import Self

from involbench.errors import InvolbenchError, Message, SettingError, UsageError
from involbench.execution.bench_requests import Benchmark, BenchmarkResult
from involbench.execution.look_requests import ExportRun, Look, Seen
from involbench.execution.requests import (
    CheckTrials,
    CountParameters,
    Examine,
    Examined,
    Fault,
    LoadData,
    Loaded,
    MatchWidth,
    RunTrial,
)
from involbench.results.budget import Matched
from involbench.results.exports import ExportRecord
from involbench.results.finding import Finding
from involbench.results.progress import EpochReport
from involbench.results.record import Parameters, RunRecord

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
Result = (
    Loaded
    | RunRecord
    | tuple[Parameters, ...]
    | tuple[Fault, ...]
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
class Began:
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


Report = Began | Notice | Progress | EpochReport
