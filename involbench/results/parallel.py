"""Read many runs: in several processes, and with the garbage collector paused."""

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_FEWEST = 2000
"""Items per process; with fewer, starting a process costs more than it saves."""
_MOST_PROCESSES = 8
_FRAMEWORKS = ("tensorflow", "jax", "torch")


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector while many long-lived objects are created.

    It would scan all of them again and again.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def map_many(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`[function(item) for item in items]`; for many items, in one process per core.

    Args:
        function: Must change nothing that the caller sees, and return what can be pickled.
        items: What it is called with.
    """
    processes = min(_cores(), _MOST_PROCESSES, len(items) // _FEWEST)
    if processes < 2 or not _can_fork():
        return [function(item) for item in items]
    share = -(-len(items) // processes)
    own, *others = (items[start : start + share] for start in range(0, len(items), share))
    with ExitStack() as stack:
        helpers = [stack.enter_context(_Helper(function, part)) for part in others]
        found = [function(item) for item in own]
        for helper in helpers:
            found += helper.collected()
    return found


class _Helper(Generic[Item, Result]):
    """A process that calls a function with some of the items, for the length of a `with`."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._function, self._items = function, items

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("fork")
        self._receiver, sender = context.Pipe(duplex=False)
        arguments = sender, self._function, self._items
        self._process = context.Process(target=_send_results, args=arguments, daemon=True)
        self._process.start()
        sender.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.close()
        self._process.kill()
        self._process.join()

    @gc_paused()
    def collected(self) -> list[Result]:
        """The results, in order. If the process died, this one calls the function."""
        try:
            found: list[Result] = pickle.loads(self._receiver.recv_bytes())
        except (EOFError, OSError):
            return [self._function(item) for item in self._items]
        return found


def _send_results(
    sender: Connection, function: Callable[[Item], Result], items: Sequence[Item]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent ends this process.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()
    try:
        sender.send_bytes(pickle.dumps([function(item) for item in items], protocol=5))
    finally:
        os._exit(0)  # What fails here fails in the parent, which says so; it alone flushes files.


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _can_fork() -> bool:
    """Whether a copy of this process is safe: no other thread holds a lock in it."""
    loaded = any(name in sys.modules for name in _FRAMEWORKS)
    return sys.platform == "linux" and threading.active_count() == 1 and not loaded
