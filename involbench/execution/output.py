"""What a process and its libraries print."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from involbench.results.files import open_to_write
from involbench.results.paths import ResultsPath


@contextmanager
def output_to(path: ResultsPath) -> Iterator[None]:
    """Send what this process and its libraries print, in C too, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        log = open_to_write(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
