"""The findings of `doctor` and of `check-operator`, and checks of the results folder."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from involbench.errors import InvolbenchError, Message, ResultsError
from involbench.results.benchmarks import Machine
from involbench.results.files import write_atomic
from involbench.results.paths import ResultsPath
from involbench.results.record import Record
from involbench.results.store import is_locked, lock_run

Status = Literal["ok", "warning", "problem"]
"""`warning`: a run works, but could work better. `problem`: a run would fail."""

Topic = Literal["software", "backend", "environment", "folders", "data", "experiment"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""In the order of the output."""


@dataclass(frozen=True)
class OperatorCheck:
    """The result of one check of `check-operator`."""

    name: str
    needed: bool
    """Whether every run needs it. What is not needed by every run, some runs or commands need."""
    reason: str | None
    """Why it does not hold; None if it does."""


class Check(Record):
    """The result of one check of `doctor`."""

    topic: Topic
    name: str
    status: Status
    found: str
    """On one line."""
    remedy: str | None = None
    """What to do or, if the check passed, how to improve."""


class Examination(Record):
    """All findings, and the machine as in run records."""

    findings: tuple[Check, ...]
    machine: Machine | None
    """None if the backend could not be queried."""

    @property
    def status(self) -> Status:
        """That of the worst finding."""
        return worst(self.findings)


def worst(findings: Sequence[Check]) -> Status:
    """The worst status."""
    found = {finding.status for finding in findings}
    return "problem" if "problem" in found else "warning" if "warning" in found else "ok"


def finding_of(topic: Topic, name: str, status: Status, message: Message) -> Check:
    """The finding that a message tells of."""
    return Check(topic=topic, name=name, status=status, found=message.found, remedy=message.remedy)


def failing(topic: Topic, name: str, error: InvolbenchError) -> Check:
    """The problem that an error tells of."""
    return finding_of(topic, name, "problem", error.message)


_LITTLE = 10**9
"""With fewer free bytes, a sweep may fail."""


def examine_results(folder: Path) -> Iterator[Check]:
    """Check that runs can be written there, and that locks work."""
    remedy = "choose another folder with --results DIR"
    writable = examine_folder("results", folder, remedy)
    yield writable
    if writable.status == "problem":
        return
    try:
        locks = _locks_hold(_existing(folder))
        why = "two processes could train the same trial"
    except (OSError, ResultsError) as error:
        locks, why = False, str(error)
    yield Check(
        topic="folders",
        name="file locks",
        status="ok" if locks else "problem",
        found="work" if locks else f"do not work in {folder}: {why}",
        remedy=None if locks else remedy,
    )


def examine_folder(name: str, folder: Path, remedy: str, unusable: Status = "problem") -> Check:
    """Write and rename in a folder, or in what there is of the path to it.

    Args:
        name: What the folder is for.
        folder: It need not exist, and is not made.
        remedy: How to choose another.
        unusable: What it means if it cannot be written.
    """

    def found(status: Status, text: str, do: str | None = remedy) -> Check:
        return Check(topic="folders", name=name, status=status, found=text, remedy=do)

    try:
        place = _existing(folder)
        with _tried_out(place) as trial:
            write_atomic(Path(trial) / "written", b"\n")
        free = shutil.disk_usage(place).free
    except (OSError, ResultsError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return found(unusable, f"{folder} cannot be written: {why}")
    space = f"{free / 1e9:,.1f} GB free"
    if free < _LITTLE:
        return found("warning", f"{folder}: only {space}", f"make room, or {remedy}")
    return found("ok", f"{folder} can be written, {space}", None)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists.

    Raises:
        NotADirectoryError: There is something else in its place.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(20, f"{place} is not a folder")
    return place


def _tried_out(place: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=".involbench-", dir=place)


def _locks_hold(place: Path) -> bool:
    """Lock as runs do; whether a lock keeps others out, is seen, and is given back.

    Raises:
        OSError, ResultsError: It cannot be done.
    """
    with _tried_out(place) as name:
        trial = ResultsPath(Path(name))
        with lock_run(trial) as first, lock_run(trial) as second:
            holds = first and not second and is_locked(trial)
        return holds and not is_locked(trial)
