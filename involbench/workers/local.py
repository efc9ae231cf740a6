"""The runner's side of workers on this machine: processes, and the pool of them."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol, Self

import psutil

from involbench.errors import InvolbenchError, UsageError
from involbench.workers.environment import worker_environment
from involbench.workers.process import serve
from involbench.workers.protocol import Done, Failure, Report, Request
from involbench.workers.resources import ALL, WorkerResources


@contextmanager
def defer_signals() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM until after a `with`: a process half started cannot be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Signals are handled in the main thread only.
        return
    seen: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: seen.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for caught in seen:
        signal.raise_signal(caught)


_GROWTH = 2**30
"""Bytes that a worker may grow by over many trainings."""

_STARTING = threading.Lock()
"""Held while a process is started with an environment of its own."""


class WorkerDied(InvolbenchError):
    """The worker process ended in the middle of a request.

    Args:
        message: What happened.
        exit_signal: The signal that ended it, or None.
    """

    def __init__(self, message: str, exit_signal: str | None) -> None:
        super().__init__(message)
        self.exit_signal = exit_signal


class WorkerLost(WorkerDied):
    """The machine that it was on is gone, which is not the request's fault."""


class NoRoom(Exception):
    """There is no place to start a worker now; another one may do what it was to do."""


class WorkerStopped(Exception):
    """The worker was told to stop and did; there is no result."""


class Worker:
    """A process that loads data and trains, one request at a time; a new one where one died.

    Args:
        share: The part of the machine that it has.
        environment: Variables that the process must have, whatever the user has set.

    Raises:
        UsageError: The working folder is gone, without which no process starts.
    """

    def __init__(
        self, share: WorkerResources = ALL, environment: Mapping[str, str] | None = None
    ) -> None:
        working_folder()
        self._share = share
        self._wanted = {**share.environment(), **(environment or {})}
        self._folder = Path(tempfile.mkdtemp(prefix="involbench-"))
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._stopped = False
        self._usual = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self.join()

    def recycle(self) -> None:
        """Replace a process that holds much more memory than it did after its first training.

        Frameworks keep what they have compiled for networks that are gone, training after training.
        """
        if self._process is None or self._process.pid is None:
            return
        with suppress(psutil.Error):
            memory = psutil.Process(self._process.pid).memory_info()
            # Without images that are mapped from disk, where the system tells them apart.
            used = memory.rss - getattr(memory, "shared", 0)
            self._usual = self._usual or used
            if used - self._usual > _GROWTH:
                self._end()

    def shutdown(self) -> None:
        """End the process, which has nothing more to do."""
        self._end()

    def _end(self) -> None:
        process, self._process, self._connection = self._process, None, None
        self._usual = 0
        if process is not None:
            process.terminate()
            process.join()

    def stop(self) -> None:
        """Ask the process to end; in a training it saves its state first."""
        with _STARTING:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()

    def join(self) -> None:
        """Wait until the process has ended; if that is interrupted, end it at once."""
        try:
            if self._process is not None:
                self._process.join()
        except BaseException:
            self.kill()
            raise
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()

    def ask(self, request: Request, on_report: Callable[[Report], None]) -> Any:
        """Send a request, pass on what is reported, and return the result.

        Raises:
            UsageError: The user can mend what is wrong.
            InvolbenchError: The request failed; the cause has the worker's traceback.
            WorkerDied: The process ended.
            WorkerStopped: It was told to.
        """
        connection = self._connection or self._start()
        try:
            connection.send(request)
            while True:
                match connection.recv():
                    case Done(result):
                        return result
                    case Failure() as failure:
                        raise failure.error()
                    case report:
                        on_report(report)
        except (EOFError, ConnectionError) as error:
            if self._stopped:
                raise WorkerStopped from error
            raise self._reap() from error

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        variables = {**worker_environment(os.environ), **self._wanted}
        with _STARTING, defer_signals(), _environment(variables):
            if self._stopped:
                raise WorkerStopped
            self._connection, theirs = context.Pipe()
            arguments = (theirs, self._folder / "worker.log", self._share.cores)
            self._process = context.Process(target=serve, args=arguments, daemon=True)
            self._process.start()
        theirs.close()
        return self._connection

    def _reap(self) -> WorkerDied:
        """Forget the dead process; how it ended."""
        process, self._process, self._connection = self._process, None, None
        self._usual = 0
        assert process is not None
        process.join(timeout=10)
        code = process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return WorkerDied(f"the worker process was killed by {name}", name)
        return WorkerDied(f"the worker process ended with exit code {code}", None)


def working_folder() -> Path:
    """The folder that the command was started in.

    Raises:
        UsageError: It was deleted, or may not be read.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working folder is gone ({error.strerror}); change to a folder that exists"
        ) from error


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Have these variables and no others for the length of a `with`."""
    before = dict(os.environ)
    _replace(wanted)
    try:
        yield
    finally:
        _replace(before)


def _replace(variables: Mapping[str, str]) -> None:
    # Other threads read them meanwhile, so that none of those that stay is ever gone.
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


class WorkerProtocol(Protocol):
    """What a crew needs of a worker; `involbench.workers.local.Worker` says what each does."""

    def ask(self, request: Request, on_report: Callable[[Report], None]) -> Any: ...
    def recycle(self) -> None: ...
    def shutdown(self) -> None: ...
    def stop(self) -> None: ...
    def join(self) -> None: ...
    def kill(self) -> None: ...


class WorkerPool:
    """The workers of one run; at the end of a `with` all of them have ended.

    Args:
        workers: The first one also plans and checks.
    """

    def __init__(self, workers: Sequence[WorkerProtocol]) -> None:
        self.workers = workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        try:
            for worker in self.workers:
                worker.join()
        except BaseException:
            for worker in self.workers:
                worker.kill()
            raise

    def stop(self) -> None:
        """Ask all of them to end; those in a training save its state first."""
        for worker in self.workers:
            worker.stop()

    def ask(self, first: Request, others: Request, on_report: Callable[[Report], None]) -> Any:
        """Send one request to the first worker and, meanwhile, another to all others.

        Returns:
            What the first answers.

        Raises:
            InvolbenchError: One of the requests failed.
        """
        errors: list[InvolbenchError] = []

        def ask_other(worker: WorkerProtocol) -> None:
            try:
                with suppress(WorkerStopped, NoRoom):
                    worker.ask(others, lambda report: None)
            except InvolbenchError as error:
                errors.append(error)

        threads = [
            threading.Thread(target=ask_other, args=(worker,), daemon=True)
            for worker in self.workers[1:]
        ]
        for thread in threads:
            thread.start()
        answer = self.workers[0].ask(first, on_report)
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return answer
