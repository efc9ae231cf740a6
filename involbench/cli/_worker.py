"""Requests to a worker process: progress, Ctrl-C and SIGTERM."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from involbench.cli._output import echo

if TYPE_CHECKING:
    from involbench.workers.local import Arguments, Handler, Result
    from involbench.workers.protocol import Report


@contextmanager
def progress_line() -> "Iterator[Callable[[Report], None]]":
    """A function that shows reports: one changing line on a terminal, else a line per notice."""
    from involbench.reporting.tables.terminal import SafeConsole
    from involbench.workers.protocol import Notice, Progress

    console = SafeConsole(stderr=True, highlight=False)
    live = console.can_redraw
    status, notice = console.status(""), ""

    with status if live else nullcontext():

        def show(report: "Report") -> None:
            nonlocal notice
            match report:
                case Notice(text):
                    notice = text
                    status.update(text) if live else console.print(text, soft_wrap=True)
                case Progress(what, done, total) if live:
                    status.update(f"{notice}; {what} {done + 1} of {total}")

        yield show


@contextmanager
def status_line(text: str) -> Iterator[None]:
    """Show on a terminal what this process does, until it is done.

    It needs no thread, so the process can still fork to read many runs.
    """
    from rich.control import Control
    from rich.segment import ControlType

    from involbench.reporting.tables.terminal import SafeConsole

    console = SafeConsole(stderr=True, highlight=False)
    live = console.can_redraw
    if live:
        console.print(f"{text} ...", end="", markup=False, no_wrap=True, overflow="ellipsis")
    try:
        yield
    finally:
        if live:
            console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))


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


def call_worker(
    handler: "Handler[Arguments, Result]",
    *arguments: "Arguments.args",
    **options: "Arguments.kwargs",
) -> "Result":
    """Call a handler in a worker on the CPU, which is enough for a few images."""
    from involbench.workers.environment import WorkerResources
    from involbench.workers.local import start_worker
    from involbench.workers.protocol import Notice

    with stoppable("interrupted; nothing is written"), progress_line() as show:
        show(Notice("starting Keras"))
        with start_worker(WorkerResources("cpu")) as worker:
            return worker.call(handler, show, *arguments, **options)
