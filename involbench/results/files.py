"""Writing a file so that a reader sees all of it or none of it."""

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from involbench.errors import ResultsError

_LARGEST = 2**26
"""Bytes of the largest file that is read; a history of a million epochs is smaller."""


def user_path(text: str) -> Path:
    """The path that a user means: `~` is the home folder, as in a shell."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (leaves ~name of nobody as it is)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to a temporary name in the same folder, flush it, and rename it to `path`.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    try:
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        ResultsError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"cannot make {folder}: {error.strerror}") from error


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        ResultsError: It cannot be read, is no file, or is too large to be a results file.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ResultsError(f"{path}: cannot be read: not a file")
        if found.st_size > _LARGEST:
            raise ResultsError(f"{path}: cannot be read: larger than {_LARGEST >> 20} MiB")
        with path.open("rb", buffering=0) as file:
            return file.read()
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error


def is_folder(path: Path) -> bool:
    """Whether it is a folder; no, where that cannot be told: no permission, a name too long."""
    try:
        return path.is_dir()
    except OSError:
        return False


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, indented.

    Raises:
        ValueError: `value` holds NaN or an infinity; write `None` and a note instead.
        ResultsError: See `write_atomic`.
    """
    text = json.dumps(value, indent=2, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())
