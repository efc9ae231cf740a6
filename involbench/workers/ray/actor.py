"""What runs on a node: an ordinary worker process, and its reports on their way to the runner."""

import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import ray

from involbench.errors import InvolbenchError, Message, UsageError
from involbench.workers.handlers import run_trial
from involbench.workers.local import Worker, WorkerDied, WorkerStopped
from involbench.workers.protocol import Done, Failure, Report, Request
from involbench.workers.ray.file_sync import FileSync, Sender
from involbench.workers.resources import WorkerResources

_PATIENCE = 1.0
"""Seconds that a question for news waits for the first."""


@dataclass(frozen=True)
class Died:
    """The worker process ended in the middle of the request."""

    message: str
    exit_signal: str | None


@dataclass(frozen=True)
class Stopped:
    """The worker was told to stop, and did."""


News = Report | FileSync | Done | Failure | Died | Stopped


class WorkerActor:
    """An actor on a node, which does one request at a time; a request's news end with its outcome.

    Args:
        device: `auto`, `cpu` or `gpu`, of those that Ray gives it.
        environment: Variables that the worker process must have.
        folder: Where the runner was started, by which relative paths of data go, if it is here.
    """

    def __init__(self, device: str, environment: Mapping[str, str], folder: str) -> None:
        with suppress(OSError):
            os.chdir(folder)
        self._worker = Worker(WorkerResources(device), environment)
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
        def report(news: Report) -> None:
            self._news.put(news)
            if sender is not None:
                sender.send_checkpoints()

        try:
            result = self._worker.call(
                request.handler, report, *request.arguments, **request.options
            )
            self._worker.recycle()
            return Done(result)
        except WorkerStopped:
            return Stopped()
        except WorkerDied as error:
            return Died(str(error), error.exit_signal)
        except InvolbenchError as error:
            usage, cause = isinstance(error, UsageError), str(error.__cause__ or "")
            return Failure.of(error, error.message, usage, cause)
        except Exception as error:
            return Failure(Message(f"{type(error).__name__}: {error}"), False, "")
