"""Read, write and delete the files of a results folder.

Only regular files of limited size are read. A file is written under a temporary name and renamed,
so that a reader sees either all of it or none of it. No links are followed, see
`involbench.results.paths`.
"""

import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from involbench.errors import ResultsError
from involbench.regular_file import NotRegular, open_descriptor
from involbench.results import limits
from involbench.results.paths import AnyPath, LinkRefused, ResultsPath, at, kind_of

_NEVER_ELSEWHERE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def user_path(text: str) -> Path:
    """The path that the user has given; `~` is the home folder, as in a shell."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (leaves ~name of nobody as it is)


def write_atomic(path: AnyPath, data: bytes) -> None:
    """Write `data` to a temporary name in the same folder, flush it, and rename it to `path`.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    with written(path) as file:
        file.write(data)


@contextmanager
def written(path: AnyPath) -> Iterator[IO[bytes]]:
    """A file to write to; at the end of the `with` it is flushed and renamed to `path`.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    target = at(path)
    temporary = f".{target.name}.{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NEVER_ELSEWHERE
    try:
        with target.parent.opened() as folder:
            descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    os.fchmod(file.fileno(), 0o644)
                    os.fsync(file.fileno())
                os.rename(temporary, target.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
    except OSError as error:
        raise ResultsError(f"cannot write {target}: {error.strerror}") from error


def write_json(path: AnyPath, value: Any) -> None:
    """Write strict, indented JSON.

    Raises:
        ValueError: `value` holds NaN or an infinity; write `None` and a note instead.
        ResultsError: See `write_atomic`.
    """
    text = json.dumps(value, indent=2, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())


def copy_in(source: Path, target: ResultsPath) -> None:
    """Copy a file or folder that involbench has made; a complete folder replaces an existing one.

    Raises:
        ResultsError: It cannot be written.
    """
    if not source.is_dir():
        with source.open("rb") as content, written(target) as file:
            shutil.copyfileobj(content, file)
        return
    temporary = target.parent / f".{target.name}.{secrets.token_hex(8)}.tmp"
    try:
        make_folder(temporary)
        for each in sorted(source.iterdir()):
            copy_in(each, temporary / each.name)
        remove_tree(target)
        rename(temporary, target.name)
    finally:
        remove_tree(temporary)


def make_folder(folder: AnyPath) -> None:
    """Make a folder and its missing parents.

    Raises:
        ResultsError: It cannot be made, or is a link.
    """
    wanted = _as_results_path(folder)
    try:
        with suppress(OSError), wanted.opened():
            return
        wanted.root.mkdir(parents=True, exist_ok=True)
        for depth, name in enumerate(wanted.parts):
            with (
                ResultsPath(wanted.root, wanted.parts[:depth]).opened() as above,
                suppress(FileExistsError),
            ):
                os.mkdir(name, dir_fd=above)
        with wanted.opened():
            pass
    except OSError as error:
        raise ResultsError(f"cannot make {wanted}: {error.strerror}") from error


def read_bytes(path: AnyPath, largest: int, folder: int | None = None) -> bytes:
    """The content of a file.

    Args:
        path: The file.
        largest: Its maximum size in bytes, from `involbench.results.limits`.
        folder: The descriptor of the folder that contains it, if that is open.

    Raises:
        ResultsError: It cannot be read, is not a regular file, or is too large.
    """
    descriptor, size = _open_to_read(path, largest, folder)
    try:
        content = os.read(descriptor, size + 1)
        while len(content) < size and (block := os.read(descriptor, size + 1 - len(content))):
            content += block
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(content) > size:
        raise ResultsError(f"{path}: cannot be read: it grows while it is read")
    return content


@contextmanager
def opened_to_read(path: AnyPath, largest: int | None) -> Iterator[IO[bytes]]:
    """Open a file for reading, for the length of a `with`.

    Raises:
        ResultsError: It cannot be read, is not a regular file, or is larger than `largest`.
    """
    descriptor, _ = _open_to_read(path, largest)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _open_to_read(path: AnyPath, largest: int | None, folder: int | None = None) -> tuple[int, int]:
    """A descriptor of a file, and its size. See `read_bytes`."""
    wanted = at(path)
    try:
        if folder is not None:
            descriptor, found = open_descriptor(wanted.name, folder=folder, follow_link=False)
        else:
            with wanted.parent.opened() as parent:
                descriptor, found = open_descriptor(wanted.name, folder=parent, follow_link=False)
    except (OSError, ValueError) as error:
        if isinstance(error, NotRegular) and wanted.kind() == "link":
            raise LinkRefused(wanted) from error
        reason = getattr(error, "strerror", None) or str(error)
        raise ResultsError(f"{path}: cannot be read: {reason}") from error
    if largest is not None and found.st_size > limits.scaled(largest):
        os.close(descriptor)
        raise ResultsError(f"{path}: cannot be read: {limits.too_large(largest)}")
    return descriptor, found.st_size


def open_to_write(path: AnyPath, flags: int) -> int:
    """A descriptor of a file that is written in place: a lock or a log. A missing file is made.

    Raises:
        ResultsError: It cannot be opened, is not a regular file, or has several hard links.
    """
    wanted = at(path)
    try:
        with wanted.parent.opened() as folder:
            flags |= os.O_CREAT | _NEVER_ELSEWHERE
            descriptor = os.open(wanted.name, flags, 0o644, dir_fd=folder)
    except OSError as error:
        if wanted.kind() == "link":
            raise LinkRefused(wanted) from error
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        what = "it has several hard links" if found.st_nlink > 1 else "not a regular file"
        raise ResultsError(f"cannot write {path}: {what}; remove it")
    return descriptor


def names_in(folder: AnyPath) -> list[str]:
    """The sorted names of the entries of a folder; empty if the folder does not exist.

    Raises:
        LinkRefused: It is a link.
        ResultsError: It cannot be listed.
    """
    try:
        with _as_results_path(folder).opened(to_list=True) as descriptor:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - pathlib has no descriptors
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be listed: {error.strerror}") from error


def is_folder(path: Path) -> bool:
    """Whether a path from the user is a folder or a link to one; False if it cannot be read."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def remove(path: AnyPath) -> None:
    """Delete a file, a link or an empty folder, if it exists.

    Raises:
        ResultsError: It cannot be deleted; the cause is the error of the system.
    """
    wanted = at(path)
    try:
        with suppress(FileNotFoundError), wanted.parent.opened() as folder:
            status = os.stat(wanted.name, dir_fd=folder, follow_symlinks=False)
            if kind_of(status.st_mode) == "folder":
                os.rmdir(wanted.name, dir_fd=folder)
            else:
                os.unlink(wanted.name, dir_fd=folder)
    except OSError as error:
        raise ResultsError(f"cannot remove {path}: {error.strerror}") from error


def remove_tree(folder: AnyPath) -> None:
    """Delete a folder with its contents, or a file or link; no link is followed.

    Raises:
        ResultsError: It cannot be deleted.
    """
    wanted = at(folder)
    if not wanted.is_folder():
        return remove(wanted)
    try:
        with wanted.parent.opened() as above:
            shutil.rmtree(wanted.name, dir_fd=above)
    except OSError as error:
        raise ResultsError(f"cannot remove {folder}: {error.strerror}") from error


def rename(path: ResultsPath, name: str) -> None:
    """Rename a file within its folder.

    Raises:
        ResultsError: It cannot be renamed.
    """
    try:
        with path.parent.opened() as folder:
            os.rename(path.name, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise ResultsError(f"cannot rename {path}: {error.strerror}") from error


def _as_results_path(folder: AnyPath) -> ResultsPath:
    """As a ResultsPath; a folder that the user has given may itself be a link."""
    return folder if isinstance(folder, ResultsPath) else ResultsPath(folder)
