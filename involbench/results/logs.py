"""The log of a run."""

import os
from pathlib import Path

_LINES = 20
_LONGEST = 2**16


def last_lines(log: Path) -> tuple[str, ...]:
    """The last 20 lines of a log; none where it cannot be read."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LONGEST, 0))
            text = file.read(_LONGEST).decode(errors="replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-_LINES:])
