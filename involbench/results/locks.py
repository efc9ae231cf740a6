"""Whether a run is being trained: whether its lock is held."""

import fcntl
import os
from errno import EACCES, EAGAIN, ENOSYS
from pathlib import Path


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
