"""What runs on a node of a cluster: a worker process, and the files of a run that it sends back."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

import ray

from involbench.plugins import Plugins
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
from involbench.workers.environment import WorkerResources
from involbench.workers.handlers import run_trial
from involbench.workers.local import Worker, WorkerDied, WorkerStopped
from involbench.workers.protocol import Done, Failure, Report, Request, TrialRequest, known_error

Stamps = dict[str, tuple[int, int]]
"""Size and time of change of each file."""


@dataclass(frozen=True)
class FileSync:
    """Files of a run, and of what stands beside the runs.

    Args:
        run: The folder of the run, relative to that of the experiment.
        files: The content of each, by its path relative to the folder of the experiment.
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


class Sender:
    """A folder for a run on its node; at the end of a `with` all that is new in it is sent.

    `sync` has the files of the run that the runner has; `send` takes what goes to the runner.
    """

    def __init__(
        self, request: TrialRequest, sync: FileSync, send: Callable[[FileSync], None]
    ) -> None:
        self._send = send
        self._experiment = ResultsPath(Path(tempfile.mkdtemp(prefix="involbench-run-")))
        sync.unpack(self._experiment)
        self.request = replace(request, run_dir=self._experiment / sync.run)
        self._sent: Stamps = {}
        pack(self.request.run_dir, self._sent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        items = (self._experiment / item.name for item in items_below(self._experiment))
        self._send(pack(self.request.run_dir, self._sent, items))
        shutil.rmtree(self._experiment.path, ignore_errors=True)

    def send_checkpoints(self) -> None:
        """Send those that are new."""
        sync = pack(self.request.run_dir, self._sent)
        if sync.files:
            self._send(sync)


def pack(
    run_dir: ResultsPath, sent: Stamps, paths: Iterable[ResultsPath] | None = None
) -> FileSync:
    """The checkpoints of a run, or other files, but for those that were sent as they are.

    `sent` is kept up. Names that begin with a dot are locks, and files half written.
    """
    experiment, folder, files = run_dir.parent.parent, run_dir / "checkpoint", {}
    kept = [folder / name for name in names_in(folder) if not name.startswith(".")]
    for path in kept if paths is None else paths:
        if path.name.startswith(".") or path.kind() != "file":
            continue
        status, name = path.status(), path.relative_to(experiment)
        stamp = status.st_size, status.st_mtime_ns
        if sent.get(name) != stamp:
            files[name], sent[name] = read_bytes(path, CHECKPOINT), stamp
    checkpoints = tuple(path.relative_to(experiment) for path in kept)
    return FileSync(run_dir.relative_to(experiment), files, checkpoints)


_PATIENCE = 1.0
"""Seconds that a question for news waits for the first."""


News = Report | FileSync | Done | Failure | WorkerDied | WorkerStopped


class WorkerActor:
    """An actor on a node. It does one request at a time, whose news end with its outcome.

    Relative paths of data start at `folder`, where the runner was started, if it is on the node.
    Only the worker process imports the plugins, whose files need not be on the node.
    """

    def __init__(
        self, device: str, environment: Mapping[str, str], folder: str, plugins: Plugins
    ) -> None:
        with suppress(OSError):
            os.chdir(folder)
        self._worker = Worker(WorkerResources(device), environment, plugins)
        self._news: SimpleQueue[News] = SimpleQueue()

    def node(self) -> str:
        """The name of the node that it is on, and the beginning of its id."""
        return f"{socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:8]})"

    def begin(self, request: Request, sync: FileSync | None) -> None:
        """Start a request; with a `FileSync`, in a temporary folder whose files are sent back."""
        threading.Thread(target=self._do, args=(request, sync), daemon=True).start()

    def news(self) -> list[News]:
        """What there is, after a short while; the outcome is the last of it."""
        found: list[News] = []
        with suppress(Empty):
            found.append(self._news.get(timeout=_PATIENCE))
            while True:
                found.append(self._news.get_nowait())
        return found

    def stop(self) -> None:
        """Ask the worker to end; in a training it saves its state first."""
        self._worker.stop()

    def _do(self, request: Request, sync: FileSync | None) -> None:
        if sync is None:
            self._news.put(self._outcome(request))
            return
        with Sender(request.arguments[0], sync, self._news.put) as sender:
            outcome = self._outcome(Request(run_trial, (sender.request,), {}), sender)
        self._news.put(outcome)

    def _outcome(self, request: Request, sender: Sender | None = None) -> News:
        def send(news: Report) -> None:
            self._news.put(news)
            if sender is not None:
                sender.send_checkpoints()

        try:
            result = self._worker.request(request, send)
            self._worker.recycle()
            return Done(result)
        except (WorkerStopped, WorkerDied) as ended:
            return ended
        except Exception as error:
            return Failure(known_error(error), str(error.__cause__ or ""))
