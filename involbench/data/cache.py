"""Decoded images kept on disk under a key that says what they were made from.

An entry is two files, `<key>.npy` and, written after it, `<key>.sha256` with the fingerprint of
the dataset. Both are put in place by renaming and depend on the key alone, so several processes
may write the same entry at once. Deleting the folder costs time and nothing else.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from involbench.data.dataset import Images


def cache_folder() -> Path:
    """Where decoded images are kept: INVOLBENCH_CACHE, or the user's cache folder."""
    chosen = os.environ.get("INVOLBENCH_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("involbench"))


def read_images(key: str) -> tuple[Images, str] | None:
    """The images under the key and the fingerprint they must give; None if absent or unreadable.

    The fingerprint is the caller's to check: only a dataset has one.
    """
    base = cache_folder() / key
    try:
        fingerprint = base.with_suffix(".sha256").read_text(encoding="ascii")
        with base.with_suffix(".npy").open("rb") as file:
            images = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError):
        return None
    return images, fingerprint


def write_images(key: str, images: Images, fingerprint: str) -> None:
    """Keep the images; OSError where the cache cannot be written."""
    base = cache_folder() / key
    base.parent.mkdir(parents=True, exist_ok=True)
    _replace(base.with_suffix(".npy"), lambda file: np.save(file, images, allow_pickle=False))
    _replace(base.with_suffix(".sha256"), lambda file: file.write(fingerprint.encode("ascii")))


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write to a temporary name beside the path, flush to disk, rename."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
