"""Workers on this machine, in processes of their own or in this one, and the pool of workers."""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

import psutil

from involbench.errors import InvolbenchError, UsageError
from involbench.plugins import Plugins, imported
from involbench.results.paths import at
from involbench.workers.environment import ALL, WorkerResources, worker_environment
from involbench.workers.handlers import Session, import_plugins, redirect_output, respond
from involbench.workers.protocol import Done, Failure, Request, Show

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Handler = Callable[Concatenate[Session, Arguments], Result]

_GROWTH = 2**30
"""Bytes that a worker may grow by over many trainings."""

_STARTING = threading.Lock()
"""Held while a process is started with an environment of its own."""


class WorkerDied(InvolbenchError):
    """The worker process ended in the middle of a request, by a signal if there is one."""

    def __init__(self, message: str, exit_signal: str | None) -> None:
        super().__init__(message)
        self.exit_signal = exit_signal

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (str(self), self.exit_signal)


class WorkerLost(WorkerDied):
    """The machine of the worker is gone; the request is not the cause."""


class NoRoom(Exception):
    """No worker can start now; another worker may handle the request."""


class WorkerStopped(Exception):
    """The worker was told to stop, and stopped without a result."""


class WorkerProtocol:
    """Base of the workers: what a pool needs of each."""

    def call(
        self,
        handler: Handler[Arguments, Result],
        show: Show,
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        """Run a function of `involbench.workers.handlers` in the worker; `show` takes its reports.

        Raises:
            UsageError: The user can correct what is wrong.
            InvolbenchError: The handler failed; the cause has the traceback of the worker.
            WorkerDied: The worker ended.
            WorkerStopped: It was told to stop.
        """
        return cast(Result, self.request(Request(handler, arguments, options), show))

    def request(self, request: Request, show: Show) -> Any:
        """The result of a request; see `call`."""
        raise NotImplementedError

    def recycle(self) -> None:
        """Replace the process if it uses much more memory than after its first training.

        Frameworks keep what they compiled for networks that are gone, training after training.
        """

    def shutdown(self) -> None:
        """End the worker, which has nothing more to do."""

    def stop(self) -> None:
        """Tell the worker to end; in a training it saves its state first."""

    def join(self) -> None:
        """Wait until the worker has ended; if that is interrupted, end it at once."""

    def kill(self) -> None:
        """End the worker at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self.join()


class Worker(WorkerProtocol):
    """A process that handles one request at a time; if it dies, the next request starts a new one.

    The process gets the variables in `environment`, whatever the user has set, and the plugins, by
    default those that this process has imported.

    Raises:
        UsageError: The working folder is gone; without it no process starts.
    """

    def __init__(
        self,
        resources: WorkerResources = ALL,
        environment: Mapping[str, str] | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        working_folder()
        self._resources = resources
        self._wanted = {**resources.environment(), **(environment or {})}
        self._plugins = imported() if plugins is None else plugins
        self._folder = Path(tempfile.mkdtemp(prefix="involbench-"))
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._stopped = False
        self._usual = 0

    def recycle(self) -> None:
        if self._process is None or self._process.pid is None:
            return
        with suppress(psutil.Error):
            memory = psutil.Process(self._process.pid).memory_info()
            # Images that are mapped from disk do not count, where the system tells them apart.
            used = memory.rss - getattr(memory, "shared", 0)
            self._usual = self._usual or used
            if used - self._usual > _GROWTH:
                self.shutdown()

    def shutdown(self) -> None:
        process = self._forget()
        if process is not None:
            process.terminate()
            process.join()

    def _forget(self) -> SpawnProcess | None:
        """The process, which this worker no longer has."""
        process, self._process, self._connection = self._process, None, None
        self._usual = 0
        return process

    def stop(self) -> None:
        with _STARTING:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()

    def join(self) -> None:
        try:
            if self._process is not None:
                self._process.join()
        except BaseException:
            self.kill()
            raise
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def request(self, request: Request, show: Show) -> Any:
        if self._connection is None:
            connection = self._start()
            if self._plugins:  # Before a request that names something of theirs is read.
                self._answer(connection, Request(import_plugins, (self._plugins,), {}), show)
            self._connection = connection
        return self._answer(self._connection, request, show)

    def _answer(self, connection: Connection, request: Request, show: Show) -> Any:
        try:
            connection.send(request)
            while True:
                match connection.recv():
                    case Done(result):
                        return result
                    case Failure() as failure:
                        failure.raised()
                    case report:
                        show(report)
        except (EOFError, ConnectionError) as error:
            if self._stopped:
                raise WorkerStopped from error
            raise self._death() from error

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        variables = {**worker_environment(os.environ), **self._wanted}
        with _STARTING, _defer_signals(), _environment(variables), _without_main():
            if self._stopped:
                raise WorkerStopped
            ours, theirs = context.Pipe()
            arguments = (theirs, self._folder / "worker.log", self._resources.cores)
            self._process = context.Process(target=_serve, args=arguments, daemon=True)
            self._process.start()
        theirs.close()
        return ours

    def _death(self) -> WorkerDied:
        """How the process ended, which this worker no longer has."""
        process = self._forget()
        assert process is not None
        process.join(timeout=10)
        code = process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return WorkerDied(f"the worker process was killed by {name}", name)
        return WorkerDied(f"the worker process ended with exit code {code}", None)


def _serve(connection: Connection, log: Path, cores: tuple[int, ...] | None) -> None:
    """The worker process: handle requests until the runner closes the pipe.

    The log takes what libraries print while no trial runs.
    """
    if cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)  # Threads of libraries start later and inherit it.
    session = Session(connection.send)

    def stop(*_: object) -> None:
        session.stopping = True
        if not session.training:
            os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The runner handles Ctrl-C.
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    with redirect_output(at(log)):
        while True:
            try:
                request = connection.recv()
            except EOFError:
                return
            answer = respond(session, request)
            if session.stopping:
                return
            connection.send(answer)


def _end_with_the_runner() -> None:
    """Exit when the runner dies, so that its successor can take over the run."""
    runner = multiprocessing.parent_process()
    if runner is not None:
        wait([runner.sentinel])
        os._exit(1)


class InProcessWorker(WorkerProtocol):
    """Handles requests in the thread that calls it, on the devices that this process has.

    For notebooks and tests, because Keras is started once. It changes no environment variable.
    Results have the bits of a worker process only where the variables of
    `involbench.workers.environment.USUAL` are set before Keras is imported. While a trial runs,
    what this process prints to its standard descriptors goes to the log of the run.
    """

    def __init__(self) -> None:
        working_folder()
        self._session = Session(lambda report: None)

    def request(self, request: Request, show: Show) -> Any:
        if self._session.stopping:
            raise WorkerStopped
        self._session.report = show
        answer = respond(self._session, request)
        if self._session.stopping:
            raise WorkerStopped
        if isinstance(answer, Failure):
            answer.raised()
        return answer.result

    def stop(self) -> None:
        self._session.stopping = True

    def kill(self) -> None:
        self.stop()


_worker_type: Callable[[WorkerResources, Mapping[str, str] | None], WorkerProtocol] = Worker


def start_worker(
    resources: WorkerResources = ALL, environment: Mapping[str, str] | None = None
) -> WorkerProtocol:
    """A Worker; inside `in_process`, an InProcessWorker."""
    return _worker_type(resources, environment)


@contextmanager
def in_process() -> Iterator[None]:
    """Let every worker on this machine be an InProcessWorker, instead of a process of its own."""
    global _worker_type
    before, _worker_type = _worker_type, lambda resources, environment: InProcessWorker()
    try:
        yield
    finally:
        _worker_type = before


def working_folder() -> Path:
    """The folder that the command was started in.

    Raises:
        UsageError: It was deleted, or may not be read.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working folder no longer exists ({error.strerror}); change to one that does"
        ) from error


@contextmanager
def _defer_signals() -> Iterator[None]:
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


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Have these variables and no others for the length of a `with`."""
    before = dict(os.environ)
    _replace(wanted)
    try:
        yield
    finally:
        _replace(before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the program that runs, which a new process would run again from its first line."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _replace(variables: Mapping[str, str]) -> None:
    # Other threads read them meanwhile, so that none of those that stay is ever gone.
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


class WorkerPool:
    """The workers of one run; when a `with` ends, all of them have ended.

    The first worker also plans and checks.
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
        """Tell all workers to end; those in a training save its state first."""
        for worker in self.workers:
            worker.stop()

    def call(
        self,
        handler: Callable[..., Result],
        show: Show,
        first: tuple[Any, ...],
        others: tuple[Any, ...],
    ) -> Result:
        """Run a handler in all workers at once; returns the result of the first worker.

        The first worker has other arguments than the others, and only its reports are shown.

        Raises:
            InvolbenchError: The handler failed in one of them.
        """
        errors: list[InvolbenchError] = []

        def call_other(worker: WorkerProtocol) -> None:
            try:
                with suppress(WorkerStopped, NoRoom):
                    worker.call(handler, lambda report: None, *others)
            except InvolbenchError as error:
                errors.append(error)

        threads = [
            threading.Thread(target=call_other, args=(worker,), daemon=True)
            for worker in self.workers[1:]
        ]
        for thread in threads:
            thread.start()
        result = self.workers[0].call(handler, show, *first)
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return result
