"""Files of a run that are on a node alone, on their way to the runner's results folder and back."""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from involbench.execution.requests import RunTrial
from involbench.results.files import make_folder, write_atomic

Stamps = dict[str, tuple[int, int]]
"""Size and time of change of each file."""


@dataclass(frozen=True)
class Parcel:
    """Files of a run, and of what stands beside the runs.

    Args:
        run: The run's folder, relative to the experiment's.
        files: The content of each, by its path relative to the experiment's folder.
        checkpoints: The paths of all checkpoints that there are now.
    """

    run: str
    files: dict[str, bytes]
    checkpoints: tuple[str, ...]

    def unpack(self, experiment: Path) -> None:
        """Write the files, `run.json` last, and delete the checkpoints that are gone.

        Raises:
            ResultsError: They cannot be written.
        """
        for name in sorted(self.files, key=lambda name: (name.endswith("/run.json"), name)):
            make_folder((experiment / name).parent)
            write_atomic(experiment / name, self.files[name])
        for path in (experiment / self.run / "checkpoint").glob("*"):
            if path.relative_to(experiment).as_posix() not in self.checkpoints:
                path.unlink(missing_ok=True)
        if not self.checkpoints:
            shutil.rmtree(experiment / self.run / "checkpoint", ignore_errors=True)


def pack_checkpoints(run_dir: Path, sent: Stamps) -> Parcel:
    """The checkpoints of a run but for those that were sent as they are; `sent` is kept up."""
    return _pack(run_dir, (run_dir / "checkpoint").glob("*"), sent)


class Sender:
    """A folder for a run on its node; at the end of a `with` all that is new in it is sent.

    Args:
        request: What is to be done, in the runner's folder.
        parcel: What the runner has of the run.
        send: Takes what goes to the runner.
    """

    def __init__(self, request: RunTrial, parcel: Parcel, send: Callable[[Parcel], None]) -> None:
        self._send = send
        self._experiment = Path(tempfile.mkdtemp(prefix="involbench-run-"))
        parcel.unpack(self._experiment)
        self.request = replace(request, run_dir=self._experiment / parcel.run)
        self._sent: Stamps = {}
        self._files(self._checkpoints())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._send(self._files(self._experiment.rglob("*")))
        shutil.rmtree(self._experiment, ignore_errors=True)

    def send_checkpoints(self) -> None:
        """Send those that are new."""
        parcel = self._files(self._checkpoints())
        if parcel.files:
            self._send(parcel)

    def _checkpoints(self) -> Iterable[Path]:
        return (self.request.run_dir / "checkpoint").glob("*")

    def _files(self, paths: Iterable[Path]) -> Parcel:
        return _pack(self.request.run_dir, paths, self._sent)


def _pack(run_dir: Path, paths: Iterable[Path], sent: Stamps) -> Parcel:
    """What is new of these files. Names that begin with a dot are locks, and files half written."""
    experiment, files = run_dir.parents[1], {}
    for path in paths:
        if path.name.startswith(".") or not path.is_file():
            continue
        status, name = path.stat(), path.relative_to(experiment).as_posix()
        stamp = status.st_size, status.st_mtime_ns
        if sent.get(name) != stamp:
            files[name], sent[name] = path.read_bytes(), stamp
    here = (path for path in (run_dir / "checkpoint").glob("*") if not path.name.startswith("."))
    checkpoints = tuple(path.relative_to(experiment).as_posix() for path in here)
    return Parcel(run_dir.relative_to(experiment).as_posix(), files, checkpoints)
