"""How often something is called before it is timed."""

from collections.abc import Callable

_MOST_CALLS, _LONGEST = 100, 3.0
"""The latter in seconds, of all calls but the first, which may have to compile what it runs."""
_FASTER = 0.95
"""What the best of three calls must fall below, of the best of the three before, to go on."""


def warm_up(timed: Callable[[], float]) -> int:
    """Call until it gets no faster, at least twice.

    Args:
        timed: Makes one call, and says how many seconds it took.

    Returns:
        How often it was called.
    """
    taken = list[float]()
    while len(taken) < _MOST_CALLS and sum(taken[1:]) < _LONGEST:
        taken.append(timed())
        if len(taken) >= 6 and min(taken[-3:]) > _FASTER * min(taken[-6:-3]):
            break
    return len(taken)
