"""What passes between the runner and its worker process.

Each request is answered by any number of reports and one result or Failure.
"""

from dataclasses import dataclass
from typing import Self

from involbench.errors import InvolbenchError, SettingError, UsageError
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

    message: str
    usage: bool
    """The user can mend it: exit code 2, no traceback."""
    traceback: str
    key: str = ""
    """The setting that is wrong, if it is one."""

    def error(self) -> InvolbenchError:
        """What the request fails with on the runner's side."""
        if self.key:
            return SettingError(self.key, self.message)
        return UsageError(self.message) if self.usage else InvolbenchError(self.message)

    @classmethod
    def of(cls, error: Exception, message: str, usage: bool, traceback: str) -> Self:
        """What is sent of an error; `message` and `usage` are for all that is not a setting's."""
        if isinstance(error, SettingError):
            return cls(error.reason, True, traceback, error.key)
        return cls(message, usage, traceback)


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
