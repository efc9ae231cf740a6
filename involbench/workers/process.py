"""The worker process: it takes requests from a pipe until the runner hangs up."""

import multiprocessing
import os
import signal
import threading
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path

from involbench.errors import UsageError
from involbench.results.paths import at
from involbench.workers.handlers import RequestHandler, message_of, redirect_output
from involbench.workers.protocol import Done, Failure, Request


def serve(connection: Connection, log: Path, cores: tuple[int, ...] | None) -> None:
    """Answer requests until the runner hangs up.

    Args:
        connection: The runner's end of a pipe.
        log: Where the libraries' output goes while no run folder takes it.
        cores: Those that this process may run on; None for all.
    """
    if cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)  # The libraries' threads, which come later, inherit it.
    desk = RequestHandler(connection)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle.
    signal.signal(signal.SIGTERM, desk.asked_to_stop)
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    with redirect_output(at(log)):
        while True:
            try:
                request = connection.recv()
            except EOFError:
                return
            answer = respond(desk, request)
            if desk.stopping:
                return
            connection.send(answer)


def _end_with_the_runner() -> None:
    """What a runner that was killed has left to do is for the next one, which must find it free."""
    runner = multiprocessing.parent_process()
    if runner is not None:
        wait([runner.sentinel])
        os._exit(1)


def respond(desk: RequestHandler, request: Request) -> Done | Failure:
    """What is sent back for a request, whatever becomes of it."""
    try:
        return Done(desk.handle(request))
    except Exception as error:
        mendable = isinstance(error, UsageError | ModuleNotFoundError)
        return Failure.of(error, message_of(error), mendable, traceback.format_exc())
