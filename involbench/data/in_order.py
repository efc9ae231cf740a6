"""Work done in threads, some of it ahead of who takes it, taken in the order it was asked for."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, Self, TypeVar

Task = TypeVar("Task")
Made = TypeVar("Made")

THREADS = min(8, os.cpu_count() or 1)


class InOrder(Generic[Task, Made], Iterator[Made]):
    """What `make` makes of each task, in the order of the tasks; it starts at once.

    Leaving a `with` ends it: what has not been begun by then is not made.

    Args:
        make: Called in several threads at a time.
        tasks: Asked for one after the other, as results are taken; may be without end.
        ahead: How many results are made, or being made, before they are taken.
    """

    def __init__(self, make: Callable[[Task], Made], tasks: Iterable[Task], ahead: int) -> None:
        self._make = make
        self._tasks = iter(tasks)
        self._pool = ThreadPoolExecutor(min(THREADS, ahead))
        self._made: deque[Future[Made]] = deque()
        self._begin(ahead)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._tasks = iter(())
        self._pool.shutdown(cancel_futures=True)

    def __next__(self) -> Made:
        if not self._made:
            raise StopIteration
        made = self._made.popleft().result()
        self._begin(1)
        return made

    def _begin(self, count: int) -> None:
        self._made.extend(
            self._pool.submit(self._make, task) for task in islice(self._tasks, count)
        )
