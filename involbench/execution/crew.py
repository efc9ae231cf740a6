"""Several workers, on this machine or others."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, Self

from involbench.errors import InvolbenchError
from involbench.execution.client import NoRoom, WorkerStopped
from involbench.execution.messages import Report, Request


class Works(Protocol):
    """What a crew needs of a worker; `involbench.execution.client.Worker` says what each does."""

    def ask(self, request: Request, on_report: Callable[[Report], None]) -> Any: ...
    def renew(self) -> None: ...
    def leave(self) -> None: ...
    def stop(self) -> None: ...
    def join(self) -> None: ...
    def kill(self) -> None: ...


class Crew:
    """The workers of one run; at the end of a `with` all of them have ended.

    Args:
        workers: The first one also plans and checks.
    """

    def __init__(self, workers: Sequence[Works]) -> None:
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

        def ask_other(worker: Works) -> None:
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
