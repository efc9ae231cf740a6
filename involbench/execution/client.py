"""The runner's side of a worker process."""

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Self

from involbench.errors import InvolbenchError, UsageError
from involbench.execution.messages import Done, Failure, Report, Request
from involbench.execution.signals import signals_wait
from involbench.execution.worker import serve

ENVIRONMENT = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    # Huge pages where the kernel grants them to who asks: on CPU each step frees its temporaries,
    # and the next one has the kernel clear their pages anew, 4 KiB at a time otherwise.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Set before a worker starts, because the C library reads it once."""


class WorkerDied(InvolbenchError):
    """The worker process ended in the middle of a request.

    Args:
        message: What happened.
        exit_signal: The signal that ended it, or None.
    """

    def __init__(self, message: str, exit_signal: str | None) -> None:
        super().__init__(message)
        self.exit_signal = exit_signal


class Worker:
    """A process that loads data and trains, one request at a time; a new one where one died.

    Args:
        device: `auto`, `cpu`, `gpu` or `gpu:<index>`.
        environment: Variables that the process must have, whatever the user has set.
    """

    def __init__(self, device: str = "auto", environment: Mapping[str, str] | None = None) -> None:
        self._wanted = {**_visible_devices(device), **(environment or {})}
        self._folder = Path(tempfile.mkdtemp(prefix="involbench-"))
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.terminate()  # In a training it saves its state first.
            try:
                self._process.join()
            except BaseException:
                self._process.kill()
                raise
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, request: Request, on_report: Callable[[Report], None]) -> Any:
        """Send a request, pass on what is reported, and return the result.

        Raises:
            UsageError: The user can mend what is wrong.
            InvolbenchError: The request failed; the cause has the worker's traceback.
            WorkerDied: The process ended.
        """
        connection = self._connection or self._start()
        try:
            connection.send(request)
            while True:
                match connection.recv():
                    case Done(result):
                        return result
                    case Failure(text, usage, trace):
                        kind = UsageError if usage else InvolbenchError
                        raise kind(text) from RuntimeError(trace)
                    case report:
                        on_report(report)
        except (EOFError, ConnectionError) as error:
            raise self._bury() from error

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, self._folder / "worker.log"), daemon=True
        )
        with signals_wait(), _environment(ENVIRONMENT, self._wanted):
            self._process.start()
        theirs.close()
        return self._connection

    def _bury(self) -> WorkerDied:
        """Forget the dead process; how it ended."""
        process, self._process, self._connection = self._process, None, None
        assert process is not None
        process.join(timeout=10)
        code = process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return WorkerDied(f"the worker process was killed by {name}", name)
        return WorkerDied(f"the worker process ended with exit code {code}", None)


def _visible_devices(device: str) -> dict[str, str]:
    """The environment that hides every device but the wanted one."""
    if device == "cpu":
        return {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    if device.startswith("gpu:"):
        return {"CUDA_VISIBLE_DEVICES": device.removeprefix("gpu:")}
    return {}


@contextmanager
def _environment(usual: dict[str, str], wanted: dict[str, str]) -> Iterator[None]:
    """Set variables for the length of a `with`; the usual ones where the user has not set them."""
    before = dict(os.environ)
    os.environ.update({**usual, **before, **wanted})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
