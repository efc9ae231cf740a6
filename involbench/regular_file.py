"""Opening what a user or a record names for reading, without ever waiting for it."""

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
    stat.S_IFLNK: "a link",
}
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))


class NotRegular(OSError):
    """What is at the path has no content to read: a FIFO, a device, a socket, a refused link."""


def open_regular(path: Path | str) -> BufferedReader:
    """Open a regular file, or a link to one, for reading.

    Raises:
        NotRegular: It is a FIFO, a socket or a device.
        OSError: It is missing, a folder, or cannot be read.
    """
    return os.fdopen(open_descriptor(path)[0], "rb")


def open_descriptor(
    path: Path | str, *, folder: int | None = None, follow_link: bool = True
) -> tuple[int, os.stat_result]:
    """Open a regular file for reading: its descriptor and its status.

    Opening a FIFO waits for a writer, opening a device may do something, and reading one may never
    end: the kind of the file is checked before it is opened, and again when it is open.

    Args:
        path: The file.
        folder: The descriptor of the folder that a relative path starts from.
        follow_link: Whether the file may be a link to another.

    Raises:
        NotRegular: It is a FIFO, a socket or a device, or a link that is not followed.
        OSError: It is missing, a folder, or cannot be read.
    """
    _check(os.stat(path, dir_fd=folder, follow_symlinks=follow_link).st_mode)
    flags = os.O_RDONLY | _FLAGS | (0 if follow_link else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        _check(status.st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a folder, not a regular file")
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise NotRegular(errno.EINVAL, f"{kind}, not a regular file")
