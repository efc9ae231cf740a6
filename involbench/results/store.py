"""The folder of one experiment, as its runner sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from involbench.errors import ResultsError, UsageError
from involbench.results.files import make_folder, write_atomic, write_json
from involbench.results.record import RunRecord
from involbench.spec.trial import Trial


class Store:
    """`results/<experiment>/`: which runs are finished, and who owns those that are not.

    Args:
        root: The results folder.
        experiment: The experiment's name.
    """

    def __init__(self, root: Path, experiment: str) -> None:
        self.folder = root / experiment

    def prepare(self, source: str) -> None:
        """Make the folder and write spec.yaml into it.

        Raises:
            UsageError: The folder cannot be made or written.
        """
        try:
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            write_atomic(self.folder / "spec.yaml", source.encode())
        except (OSError, ResultsError) as error:
            raise UsageError(f"{error}; choose another folder with --results DIR") from error

    def run_dir(self, run_id: str) -> Path:
        """The folder of one run, whether it exists or not."""
        return self.folder / "runs" / run_id

    def ended(self, trial: Trial, run_id: str) -> RunRecord | None:
        """The record of a run that has nothing left to do, else None.

        A run that failed is tried again; one that took too long goes on when it is given more time.
        """
        try:
            text = (self.run_dir(run_id) / "run.json").read_bytes()
            record = RunRecord.model_validate_json(text)
        except (OSError, ValidationError):
            return None
        if record.status == "timeout":
            then, now = record.trial.training.max_minutes, trial.training.max_minutes
            return record if then and now and now <= then else None
        return record if record.status in ("finished", "diverged") else None

    def write_record(self, record: RunRecord) -> None:
        """Write the run.json of a run that could not, unless another process owns it."""
        run_dir = self.run_dir(record.run_id)
        with own(run_dir) as owned:
            if owned:
                write_json(run_dir / "run.json", record.model_dump(mode="json"))


@contextmanager
def own(run_dir: Path) -> Iterator[bool]:
    """Own a run for the length of a `with`; whether it could be had.

    The lock dies with its process, so it is for the process that writes the folder to hold.

    Raises:
        ResultsError: The folder cannot be made or written.
    """
    make_folder(run_dir)
    lock = FileLock(run_dir / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise ResultsError(f"cannot lock {run_dir}: {error.strerror}") from error
    try:
        yield True
    finally:
        lock.release()
