"""Arrays in a file, read and written so that nothing in it can run code."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.results.files import read_bytes, write_atomic

_LARGEST = 2**28
"""Bytes of all arrays together, unpacked."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write an npz file.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getvalue())


def read_arrays(path: Path, **kinds: type[np.generic]) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an npz file, each as the type that it is to have.

    Raises:
        ResultsError: It is missing, damaged, too large, or does not hold them.
    """
    try:
        content = io.BytesIO(read_bytes(path))
        with zipfile.ZipFile(content) as archive:
            if sum(item.file_size for item in archive.infolist()) > _LARGEST:
                raise ResultsError(f"{path}: cannot be read: larger than 256 MiB when unpacked")
        with np.load(content, allow_pickle=False) as arrays:
            return {name: arrays[name].astype(kind, casting="safe") for name, kind in kinds.items()}
    except (ValueError, TypeError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ResultsError(f"{path}: damaged: it does not hold {', '.join(kinds)}") from error
