"""Several workers, each with its part of the machine."""

import threading
from collections.abc import Callable
from typing import Self

from involbench.errors import InvolbenchError
from involbench.execution.client import Worker, WorkerStopped
from involbench.execution.messages import Report, Request
from involbench.execution.shares import Share


class Crew:
    """The workers of one run; at the end of a `with` all of them have ended.

    Args:
        shares: The part of each one; see `divide`.
    """

    def __init__(self, shares: list[Share]) -> None:
        self.workers = [Worker(share) for share in shares]

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

    def ask(self, first: Request, others: Request, on_report: Callable[[Report], None]) -> None:
        """Send one request to the first worker and, meanwhile, another to all others.

        Raises:
            InvolbenchError: One of the requests failed.
        """
        errors: list[InvolbenchError] = []

        def ask_other(worker: Worker) -> None:
            try:
                worker.ask(others, lambda report: None)
            except InvolbenchError as error:
                errors.append(error)
            except WorkerStopped:
                pass

        threads = [
            threading.Thread(target=ask_other, args=(worker,), daemon=True)
            for worker in self.workers[1:]
        ]
        for thread in threads:
            thread.start()
        self.workers[0].ask(first, on_report)
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
