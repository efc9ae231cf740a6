"""The runner's access to an experiment folder: records, locks, logs.

When a run has ended, `run.json` holds its trial.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from errno import EACCES, EAGAIN, ENOSYS
from pathlib import Path

from pydantic import ValidationError

from involbench.errors import ResultsError, UsageError
from involbench.results import limits
from involbench.results.files import (
    make_folder,
    open_to_write,
    opened_to_read,
    read_bytes,
    remove,
    remove_tree,
    write_atomic,
    write_json,
)
from involbench.results.migrations import NewerRecord
from involbench.results.paths import ResultsPath, kind_of
from involbench.results.record import RunRecord
from involbench.results.tree import read_run
from involbench.spec.trial import Trial


def is_locked(run_dir: ResultsPath) -> bool:
    """Whether a living process holds the lock of a run folder. Makes and changes no file.

    The check takes a shared lock and releases it at once, so that many processes can check at the
    same time without seeing each other.
    """
    try:
        with run_dir.opened() as folder:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(".lock", flags, dir_fd=folder)
    except (OSError, ResultsError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (EACCES, EAGAIN)
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked(folder: ResultsPath, wait: bool) -> Iterator[bool]:
    """Lock a folder for the length of a `with`; yields whether that succeeded.

    The lock is released when the process exits.

    Args:
        folder: An existing folder.
        wait: Whether to wait until nobody else holds it.

    Raises:
        ResultsError: The folder cannot be written, or its disk has no locks.
    """
    descriptor = _acquired(folder, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _acquired(folder: ResultsPath, how: int) -> int | None:
    """The locked descriptor; None where another process holds the lock."""
    while True:
        descriptor = open_to_write(folder / ".lock", os.O_RDWR)
        try:
            fcntl.flock(descriptor, how)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in (EACCES, EAGAIN):
                return None
            why = error.strerror
            if error.errno == ENOSYS:
                why = "its disk has no file locks; choose another with --results DIR"
            raise ResultsError(f"cannot lock {folder}: {why}") from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # Deleted before it was locked: nobody else would see this lock.


_LINES = 20
_LONGEST = 2**16


def last_lines(log: ResultsPath) -> tuple[str, ...]:
    """The last 20 lines of a log; none if it cannot be read."""
    try:
        with opened_to_read(log, largest=None) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LONGEST, 0))
            text = file.read(_LONGEST).decode(errors="replace")
    except (OSError, ResultsError):
        return ()
    return tuple(text.splitlines()[-_LINES:])


NAME = "checkpoint/trial.json"
"""Relative to the run's folder."""


def write_trial(run_dir: ResultsPath, trial: Trial) -> None:
    """Store the trial of a run folder before it starts.

    Raises:
        ResultsError: It cannot be written.
    """
    path = run_dir / NAME
    make_folder(path.parent)
    write_json(path, trial.model_dump(mode="json"))


def read_trial(run_dir: ResultsPath) -> Trial | None:
    """The trial that was started in a folder; None if unknown."""
    try:
        return Trial.model_validate_json(read_bytes(run_dir / NAME, limits.RECORD))
    except (ResultsError, ValidationError):
        return None


class Store:
    """`results/<experiment>/`: finished runs, and locks of the others.

    Args:
        root: The results folder.
        experiment: The experiment's name.
    """

    def __init__(self, root: Path, experiment: str) -> None:
        self.folder = ResultsPath(root) / experiment

    def prepare(self, source: str) -> None:
        """Make the folder and write spec.yaml into it.

        Raises:
            UsageError: The folder cannot be made or written.
        """
        try:
            make_folder(self.folder / "runs")
            write_atomic(self.folder / "spec.yaml", source.encode())
        except ResultsError as error:
            raise UsageError(f"{error}; choose another folder with --results DIR") from error

    def run_dir(self, run_id: str) -> ResultsPath:
        """The folder of one run, whether it exists or not."""
        return self.folder / "runs" / run_id

    def drop_stale_checkpoints(self, run_id: str) -> None:
        """Delete the checkpoints of a run that was killed between its last two acts.

        The record is written first and says that nothing is left to do, unless time ran out.
        """
        run_dir = self.run_dir(run_id)
        if (run_dir / "checkpoint").exists():
            record = _record(run_dir, lambda text: None)
            if record is not None and record.status in ("finished", "diverged"):
                with suppress(ResultsError):
                    remove_tree(run_dir / "checkpoint")

    def write_record(self, record: RunRecord) -> None:
        """Write the run.json of a run that could not, unless another process owns it."""
        run_dir = self.run_dir(record.run_id)
        with lock_run(run_dir) as owned:
            if owned:
                write_json(run_dir / "run.json", record.model_dump(mode="json"))


def ended(
    run_dir: ResultsPath, trial: Trial, warn: Callable[[str], None] = lambda text: None
) -> RunRecord | None:
    """The record of a run that does not need to be trained again, else None.

    A run that failed is tried again; one that took too long goes on when it is given more time;
    one whose files are not as they were written is done again, after a word to `warn`.

    Raises:
        NewerRecord: It is not to be overwritten by this version.
    """
    record = _record(run_dir, warn)
    if record is None or record.status == "failed":
        return None
    if record.status == "timeout":
        then, now = record.trial.training.max_minutes, trial.training.max_minutes
        return record if then and now and now <= then else None
    if damaged := damaged_files(run_dir, record):
        warn(
            f"{run_dir}: files changed after they were written: {', '.join(damaged)}; "
            "the run is trained again"
        )
        return None
    return record


def reusable_record(
    run_dir: ResultsPath, trial: Trial, since: float, force: bool
) -> RunRecord | None:
    """The record that makes running a trial unnecessary. Call it only with the run locked.

    Args:
        run_dir: The run's folder.
        trial: What is to be run in it.
        since: When the runner started, in seconds since 1970. A run that was begun later was
            another runner's, which works beside this one, and counts whatever its status.
        force: What is older than `since` does not count, and is deleted.
    """
    record = _record(run_dir, lambda text: None)
    if record is not None and _seconds(record.started) >= int(1000 * since) / 1000:
        return record
    if not force:
        return ended(run_dir, trial)
    remove(run_dir / "run.json")
    checkpoints = run_dir / "checkpoint"
    if checkpoints.exists() and checkpoints.status().st_mtime < since:
        remove_tree(checkpoints)
    return None


def _record(run_dir: ResultsPath, warn: Callable[[str], None]) -> RunRecord | None:
    if not (run_dir / "run.json").exists():
        return None
    try:
        record = read_run(run_dir).record
        _seconds(record.started)
        return record
    except NewerRecord:
        raise
    except (ResultsError, ValueError) as error:
        warn(f"{error}; the run is trained again")
        return None


def _seconds(time: str) -> float:
    """Since 1970. Raises ValueError where the text is no time."""
    return datetime.fromisoformat(time).timestamp()


def damaged_files(run_dir: ResultsPath, record: RunRecord) -> list[str]:
    """The files of a run that are not as they were written; a deleted model is not one."""
    return [name for name, size in record.files.items() if not _as_written(run_dir, name, size)]


def _as_written(run_dir: ResultsPath, name: str, size: int) -> bool:
    try:
        found = (run_dir / name).status()
        return kind_of(found.st_mode) == "file" and found.st_size == size
    except FileNotFoundError:
        return name == "model.keras"  # Models may be deleted to save space.
    except (OSError, ResultsError):
        return False


@contextmanager
def lock_run(run_dir: ResultsPath) -> Iterator[bool]:
    """Lock a run for the length of a `with`; yields whether that succeeded.

    The lock dies with its process, so it is for the process that writes the folder to hold.

    Raises:
        ResultsError: The folder cannot be made or written.
    """
    make_folder(run_dir)
    with locked(run_dir, wait=False) as owned:
        yield owned
