"""What the arrays of an npz file are, read without reading the arrays."""

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from involbench.data.source import reason
from involbench.errors import DataError
from involbench.regular_file import NotRegular, open_regular

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
OPTIONAL = ("class_names",)


@dataclass(frozen=True)
class Header:
    """Shape and dtype of one array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes that the array takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_headers(path: Path) -> dict[str, Header]:
    """The headers of the arrays that involbench reads; others in the file are left alone.

    Raises:
        DataError: not an npz file, damaged, an array is missing, or one is pickled.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            found = set(archive.namelist())
            missing = [name for name in REQUIRED if f"{name}.npy" not in found]
            if missing:
                raise DataError(
                    f"{path}: {', '.join(missing)} missing",
                    remedy=f"an npz file needs {', '.join(REQUIRED)}",
                )
            wanted = [name for name in (*REQUIRED, *OPTIONAL) if f"{name}.npy" in found]
            return {name: _read_header(archive, path, name) for name in wanted}
    except (PermissionError, NotRegular) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)})") from None
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not an npz file, or cut short ({reason(error).rstrip('.')})",
            remedy="write it with numpy.savez or copy it anew",
        ) from None


def _read_header(archive: zipfile.ZipFile, path: Path, name: str) -> Header:
    try:
        with archive.open(f"{name}.npy") as member:
            header = _parse(member)
    except (ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: {name} is damaged ({reason(error)})", remedy="write it anew"
        ) from None
    if header.dtype.hasobject:
        raise DataError(
            f"{path}: {name} holds pickled Python objects, which are refused because they can "
            "run code",
            remedy="store plain arrays (texts with dtype='U')",
        )
    return header


def _parse(member: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(member)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"npy version {version} is not supported")
    shape, _, dtype = readers[version](member)
    return Header(shape, dtype)
