"""Locks: whether a run is being trained, and who writes what stands beside the runs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EAGAIN, ENOSYS
from pathlib import Path

from filelock import FileLock

from involbench.errors import ResultsError


def is_held(run_dir: Path) -> bool:
    """Whether a living process holds the lock of a run folder. Makes and changes no file.

    The lock is asked for as a reader, and given back at once, so that any number of processes can
    look at the same time and each see only those that train.
    """
    try:
        descriptor = os.open(run_dir / ".lock", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        # Without flock, filelock takes the mere file for the lock.
        return error.errno in (EACCES, EAGAIN, ENOSYS)
    finally:
        os.close(descriptor)
    return False


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until nobody else is in a `with` of this on the same folder.

    Raises:
        ResultsError: The folder cannot be written.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire()
    except OSError as error:
        raise ResultsError(f"cannot lock {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
