"""Decoded images kept on disk under a key that says what they were made from.

An entry is two files, `<key>.npy` and, written after it, `<key>.sha256` with the fingerprint of
the dataset and how many images have been given another aspect ratio. Both are put in place by
renaming and depend on the key alone, so several processes may write the same entry at once, and
who has mapped the one before keeps it. Deleting the folder costs time and nothing else.
"""

import errno
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from involbench.data.dataset import Images
from involbench.regular_file import open_regular
from involbench.results.files import user_path, write_atomic, written

Written = TypeVar("Written")


def cache_folder() -> Path:
    """Where decoded images are kept: INVOLBENCH_CACHE, or the user's cache folder."""
    chosen = os.environ.get("INVOLBENCH_CACHE")
    if chosen:
        return user_path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("involbench"))


def read_images(key: str) -> tuple[Images, str, int] | None:
    """The images under the key, the fingerprint that they must give, and how many were reshaped.

    None if they are absent or unreadable. The caller must check the fingerprint, which only a
    dataset has.
    """
    try:
        with open_regular(_entry(key, ".sha256")) as file:
            fingerprint, reshaped = file.read(1000).decode("ascii").split()
        return map_images(key), fingerprint, int(reshaped)
    except (OSError, ValueError, EOFError):
        return None


def map_images(key: str) -> Images:
    """The images under the key, left on disk: the system reads what is used, and may forget it.

    Raises:
        OSError, ValueError, EOFError: They are not there, or the file is damaged.
    """
    path = _entry(key, ".npy")
    open_regular(path).close()  # Else numpy would wait for a FIFO.
    # A plain array, which is a view of the mapping and keeps it.
    return np.asarray(np.lib.format.open_memmap(path, mode="r"))


def write_images(
    key: str,
    shape: tuple[int, int, int, int],
    write: Callable[[Callable[[Images], object]], Written],
) -> Written:
    """Keep images of a shape (N, H, W, C) under a key, to which `write_fingerprint` must be added.

    `write` is called with a function that takes the next images (n, H, W, C); its result is
    returned.

    Raises:
        OSError, ResultsError: The cache cannot be written.
    """
    path = _entry(key, ".npy")
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < math.prod(shape):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with written(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        return write(lambda images: file.write(images.data))


def write_fingerprint(key: str, fingerprint: str, reshaped: int) -> None:
    """Make an entry whole; ResultsError where the cache cannot be written."""
    write_atomic(_entry(key, ".sha256"), f"{fingerprint} {reshaped}".encode("ascii"))


def _entry(key: str, suffix: str) -> Path:
    return (cache_folder() / key).with_suffix(suffix)
