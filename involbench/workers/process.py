"""The worker process: it handles requests from a pipe until the runner closes it."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection, wait
from pathlib import Path

from involbench.results.paths import at
from involbench.workers.handlers import Session, redirect_output, respond


def serve(connection: Connection, log: Path, cores: tuple[int, ...] | None) -> None:
    """Handle requests until the runner closes the pipe.

    Args:
        connection: The pipe to the runner.
        log: Takes what libraries print while no trial runs.
        cores: The cores that this process may run on; None for all.
    """
    if cores is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)  # Threads of libraries start later and inherit it.
    session = Session(connection.send)

    def stop(*_: object) -> None:
        session.stopping = True
        if not session.training:
            os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The runner handles Ctrl-C.
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    with redirect_output(at(log)):
        while True:
            try:
                request = connection.recv()
            except EOFError:
                return
            answer = respond(session, request)
            if session.stopping:
                return
            connection.send(answer)


def _end_with_the_runner() -> None:
    """Exit when the runner dies, so that its successor can take over the run."""
    runner = multiprocessing.parent_process()
    if runner is not None:
        wait([runner.sentinel])
        os._exit(1)
