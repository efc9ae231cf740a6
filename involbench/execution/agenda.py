"""The trials that are left, given out to several workers."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

_PAUSE = 1.0
"""Seconds until a trial that another process runs is looked at again."""

Item = TypeVar("Item")


class Agenda(Generic[Item]):
    """What is to be done, to which what cannot be had now goes back.

    Args:
        items: All of it.
        order: What an item comes before others by, the least first; asked anew each time. Of
            equals it is the one that was there first.
    """

    def __init__(self, items: Iterable[Item], order: Callable[[Item], Any]) -> None:
        self._items = [(item, 0.0) for item in items]
        self._order = order
        self._changed = threading.Condition()

    def take(self) -> Item | None:
        """The next item; waits where all that is left was put off; None when nothing is left."""
        with self._changed:
            while self._items:
                now = time.monotonic()
                due = [place for place, (_, then) in enumerate(self._items) if then <= now]
                if due:
                    place = min(due, key=lambda place: self._order(self._items[place][0]))
                    return self._items.pop(place)[0]
                self._changed.wait(min(then for _, then in self._items) - now)
            return None

    def put_off(self, item: Item) -> None:
        """Give an item back, to be taken again after a while."""
        with self._changed:
            self._items.append((item, time.monotonic() + _PAUSE))
            self._changed.notify()

    def close(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self._items.clear()
            self._changed.notify_all()
