"""The trials that are left, given out to several workers."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

_PAUSE = 1.0
"""Seconds until a trial that another process runs is looked at again."""

Item = TypeVar("Item")


class Agenda(Generic[Item]):
    """A queue in order, to which what cannot be had now goes back.

    Args:
        items: What there is to do, first things first.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = deque((item, 0.0) for item in items)
        self._changed = threading.Condition()

    def take(self) -> Item | None:
        """The next item; waits where all that is left was put off; None when nothing is left."""
        with self._changed:
            while self._items:
                item, due = self._items[0]
                wait = due - time.monotonic()
                if wait <= 0:
                    self._items.popleft()
                    return item
                self._changed.wait(wait)
            return None

    def put_off(self, item: Item) -> None:
        """Give an item back, to be taken again after a while and after all others."""
        with self._changed:
            self._items.append((item, time.monotonic() + _PAUSE))
            self._changed.notify()

    def close(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self._items.clear()
            self._changed.notify_all()
