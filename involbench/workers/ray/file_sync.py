"""Files of a run that are on a node alone, on their way to the runner's results folder and back."""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from involbench.results.artifacts import items_below
from involbench.results.files import (
    make_folder,
    names_in,
    read_bytes,
    remove,
    remove_tree,
    write_atomic,
)
from involbench.results.limits import CHECKPOINT
from involbench.results.paths import ResultsPath
from involbench.workers.protocol import TrialRequest

Stamps = dict[str, tuple[int, int]]
"""Size and time of change of each file."""


@dataclass(frozen=True)
class FileSync:
    """Files of a run, and of what stands beside the runs.

    Args:
        run: The run's folder, relative to the experiment's.
        files: The content of each, by its path relative to the experiment's folder.
        checkpoints: The paths of all checkpoints that there are now.
    """

    run: str
    files: dict[str, bytes]
    checkpoints: tuple[str, ...]

    def unpack(self, experiment: ResultsPath) -> None:
        """Write the files, `run.json` last, and delete the checkpoints that are gone.

        Raises:
            ResultsError: They cannot be written.
        """
        for name in sorted(self.files, key=lambda name: (name.endswith("/run.json"), name)):
            make_folder((experiment / name).parent)
            write_atomic(experiment / name, self.files[name])
        folder = experiment / self.run / "checkpoint"
        for name in names_in(folder):
            if (folder / name).relative_to(experiment) not in self.checkpoints:
                remove(folder / name)
        if not self.checkpoints:
            remove_tree(folder)


def pack_checkpoints(run_dir: ResultsPath, sent: Stamps) -> FileSync:
    """The checkpoints of a run but for those that were sent as they are; `sent` is kept up."""
    return _pack(run_dir, _checkpoints(run_dir), sent)


class Sender:
    """A folder for a run on its node; at the end of a `with` all that is new in it is sent.

    Args:
        request: What is to be done, in the runner's folder.
        sync: The files of the run that the runner has.
        send: Takes what goes to the runner.
    """

    def __init__(
        self, request: TrialRequest, sync: FileSync, send: Callable[[FileSync], None]
    ) -> None:
        self._send = send
        self._experiment = ResultsPath(Path(tempfile.mkdtemp(prefix="involbench-run-")))
        sync.unpack(self._experiment)
        self.request = replace(request, run_dir=self._experiment / sync.run)
        self._sent: Stamps = {}
        self._files(_checkpoints(self.request.run_dir))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        items = items_below(self._experiment)
        self._send(self._files(self._experiment / item.name for item in items))
        shutil.rmtree(self._experiment.path, ignore_errors=True)

    def send_checkpoints(self) -> None:
        """Send those that are new."""
        sync = self._files(_checkpoints(self.request.run_dir))
        if sync.files:
            self._send(sync)

    def _files(self, paths: Iterable[ResultsPath]) -> FileSync:
        return _pack(self.request.run_dir, paths, self._sent)


def _checkpoints(run_dir: ResultsPath) -> list[ResultsPath]:
    folder = run_dir / "checkpoint"
    return [folder / name for name in names_in(folder) if not name.startswith(".")]


def _pack(run_dir: ResultsPath, paths: Iterable[ResultsPath], sent: Stamps) -> FileSync:
    """What is new of these files. Names that begin with a dot are locks, and files half written."""
    experiment, files = run_dir.parent.parent, {}
    for path in paths:
        if path.name.startswith(".") or path.kind() != "file":
            continue
        status, name = path.status(), path.relative_to(experiment)
        stamp = status.st_size, status.st_mtime_ns
        if sent.get(name) != stamp:
            files[name], sent[name] = read_bytes(path, CHECKPOINT), stamp
    checkpoints = tuple(path.relative_to(experiment) for path in _checkpoints(run_dir))
    return FileSync(run_dir.relative_to(experiment), files, checkpoints)
