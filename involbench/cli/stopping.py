"""Ctrl-C and `kill` while a command waits for its worker."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def stoppable(message: str) -> Iterator[None]:
    """End with 130 and the message on Ctrl-C, with 143 on SIGTERM; workers end first."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(message, err=True)
        raise typer.Exit(130) from None


def _terminate(*_: object) -> None:
    raise SystemExit(143)
