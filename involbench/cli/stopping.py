"""Ctrl-C and `kill` while a command waits for its worker."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from involbench.cli.page import echo


@contextmanager
def stoppable(message: str) -> Iterator[None]:
    """End with 130 and the message on Ctrl-C, with 143 on SIGTERM; workers end first."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt:
        echo(message, err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        # Not by an exception: where Ctrl-C came while Python ran code from a string, as imports do,
        # `python -m` would end itself by SIGINT in spite of it.
        os._exit(130)


def _terminate(*_: object) -> None:
    raise SystemExit(143)
