"""Plots that cannot be drawn cost nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from involbench.errors import InvolbenchError
from involbench.text import excerpt


@contextmanager
def or_warn(what: str, warn: Callable[[str], object]) -> Iterator[None]:
    """Let a plot that cannot be drawn or written be a warning with its cause.

    Whatever matplotlib, a font or a disk has against it: the rest of the command goes on. Import
    `involbench.reporting.plots` within the `with`, since matplotlib can fail there too.

    Args:
        what: The plots that are made within the `with`.
        warn: Takes the warning.
    """
    try:
        yield
    except Exception as error:
        known = isinstance(error, InvolbenchError)
        cause = str(error) if known else f"{type(error).__name__}: {error}"
        warn(f"{what} cannot be drawn: {excerpt(cause)}")
