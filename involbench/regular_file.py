"""Opening what a user names for reading, without ever waiting for it."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegular(OSError):
    """There is something at the path that is no file with a content: a FIFO, a device, a socket."""


def open_regular(path: Path | str) -> BufferedReader:
    """Open a regular file, or a link to one, for reading.

    To open a FIFO waits for a writer, and reading a device may never end.

    Raises:
        NotRegular: It is a FIFO, a socket or a device.
        OSError: It is missing, a folder, or cannot be read.
    """
    _check(Path(path).stat().st_mode)
    # Another file may have taken its place since: opened so, not even a FIFO makes us wait.
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(os.fstat(file).st_mode)
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a folder, not a regular file")
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise NotRegular(errno.EINVAL, f"{kind}, not a regular file")
