"""The log of a run."""

import os

from involbench.errors import ResultsError
from involbench.results.files import opened_to_read
from involbench.results.paths import ResultsPath

_LINES = 20
_LONGEST = 2**16


def last_lines(log: ResultsPath) -> tuple[str, ...]:
    """The last 20 lines of a log; none where it cannot be read."""
    try:
        with opened_to_read(log, largest=None) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LONGEST, 0))
            text = file.read(_LONGEST).decode(errors="replace")
    except (OSError, ResultsError):
        return ()
    return tuple(text.splitlines()[-_LINES:])
