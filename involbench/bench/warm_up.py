"""How often something is called before it is timed."""

import time
from collections.abc import Callable

_MOST_CALLS, _LONGEST = 100, 3.0
"""The latter in seconds."""
_FASTER = 0.95
"""What the best of three calls must fall below, of the best of the three before, to go on."""


def warm_up(timed: Callable[[], float]) -> int:
    """Call until it gets no faster.

    Args:
        timed: Makes one call, and says how many seconds it took.

    Returns:
        How often it was called.
    """
    began, taken = time.perf_counter(), list[float]()
    while len(taken) < _MOST_CALLS and time.perf_counter() - began < _LONGEST:
        taken.append(timed())
        if len(taken) >= 6 and min(taken[-3:]) > _FASTER * min(taken[-6:-3]):
            break
    return len(taken)
