"""The folder of one experiment, as its runner sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from involbench.errors import ResultsError, UsageError
from involbench.results.files import write_atomic, write_json
from involbench.results.record import RunRecord


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

    def finished(self, run_id: str) -> RunRecord | None:
        """The record of a run that is finished, else None."""
        try:
            text = (self.run_dir(run_id) / "run.json").read_bytes()
            record = RunRecord.model_validate_json(text)
        except (OSError, ValidationError):
            return None
        return record if record.status == "finished" else None

    @contextmanager
    def claim(self, run_id: str) -> Iterator[Path | None]:
        """Own a run for the length of a `with`; None if another process owns it.

        The lock dies with its process.
        """
        run_dir = self.run_dir(run_id)
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run_dir / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield None
            return
        try:
            yield run_dir
        finally:
            lock.release()

    def write_record(self, record: RunRecord) -> None:
        """Write the run.json of a run that could not do so itself."""
        write_json(self.run_dir(record.run_id) / "run.json", record.model_dump(mode="json"))
