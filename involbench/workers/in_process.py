"""A worker in the process that uses it, for notebooks and tests: Keras is started once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from involbench.workers import local
from involbench.workers.handlers import Session, respond
from involbench.workers.local import Arguments, Handler, Result, Show, WorkerProtocol, WorkerStopped
from involbench.workers.protocol import Done, Request


class InProcessWorker(WorkerProtocol):
    """Handles requests in the thread that calls it, on the devices that this process has.

    It changes no environment variable, so results have the bits of a worker process only where
    the variables of `involbench.workers.environment.USUAL` are set before Keras is imported. While
    a trial runs, what this process prints to its standard descriptors goes to the log of the run.
    """

    def __init__(self) -> None:
        local.working_folder()
        self._session = Session(lambda report: None)

    def call(
        self,
        handler: Handler[Arguments, Result],
        show: Show,
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Result:
        if self._session.stopping:
            raise WorkerStopped
        self._session.report = show
        answer = respond(self._session, Request(handler, arguments, options))
        if self._session.stopping:
            raise WorkerStopped
        if isinstance(answer, Done):
            return cast(Result, answer.result)
        raise answer.error()

    def recycle(self) -> None:
        pass

    def shutdown(self) -> None:
        pass

    def stop(self) -> None:
        self._session.stopping = True

    def join(self) -> None:
        pass

    def kill(self) -> None:
        self.stop()


@contextmanager
def in_process() -> Iterator[None]:
    """Let every worker on this machine be an InProcessWorker, instead of a process of its own."""
    before = local._worker_type
    local._worker_type = lambda resources, environment: InProcessWorker()
    try:
        yield
    finally:
        local._worker_type = before
