"""Locks: whether a run is being trained, and who writes what stands beside the runs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EAGAIN, ENOSYS

from involbench.errors import ResultsError
from involbench.results.files import open_to_write
from involbench.results.paths import ResultsPath


def is_held(run_dir: ResultsPath) -> bool:
    """Whether a living process holds the lock of a run folder. Makes and changes no file.

    The lock is asked for as a reader, and given back at once, so that any number of processes can
    look at the same time and each see only those that train.
    """
    try:
        with run_dir.opened() as folder:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(".lock", flags, dir_fd=folder)
    except (OSError, ResultsError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (EACCES, EAGAIN)
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked(folder: ResultsPath, wait: bool) -> Iterator[bool]:
    """Hold the lock of a folder for the length of a `with`; whether it could be had.

    It dies with its process.

    Args:
        folder: An existing folder.
        wait: Whether to wait until nobody else holds it.

    Raises:
        ResultsError: The folder cannot be written, or its disk has no locks.
    """
    descriptor = _acquired(folder, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _acquired(folder: ResultsPath, how: int) -> int | None:
    """The locked descriptor; None where another process holds the lock."""
    while True:
        descriptor = open_to_write(folder / ".lock", os.O_RDWR)
        try:
            fcntl.flock(descriptor, how)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in (EACCES, EAGAIN):
                return None
            why = error.strerror
            if error.errno == ENOSYS:
                why = "its disk has no file locks; choose another with --results DIR"
            raise ResultsError(f"cannot lock {folder}: {why}") from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # Deleted before it was locked: nobody else would see this lock.
