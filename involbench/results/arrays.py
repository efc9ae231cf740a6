"""Arrays in a file, read and written so that nothing in it can run code.

What the arrays are is read from their headers, and checked, before any of them is unpacked.
"""

import io
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from involbench.errors import InvolbenchError, ResultsError
from involbench.results import limits
from involbench.results.files import opened_to_read, write_atomic
from involbench.results.paths import ResultsPath

Shape = tuple[int | None, ...]
"""None stands for any length."""

_DIRECTORY = 2**23
"""Bytes of the largest list of members that is read."""
_END = struct.Struct("<4s8xL6x")
_END_64 = struct.Struct("<4s36xQ28x")
_AXES = 8


@dataclass(frozen=True)
class Header:
    """What an array says of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool

    @property
    def nbytes(self) -> int:
        """Bytes that the array takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Arrays:
    """An npz file that is open: its headers are known, no array has been unpacked."""

    archive: zipfile.ZipFile
    headers: Mapping[str, Header] = field(default_factory=dict)

    def read(self, name: str, kind: type[np.generic] | None = None, *shape: int | None) -> Any:
        """Unpack an array.

        Args:
            name: Its name.
            kind: The type that it is converted to; None leaves it as it is.
            shape: What its shape must be; not given, any.
        """
        header = self.require(name, kind, *shape)
        with self.archive.open(f"{name}.npy") as member:
            _read_header(member)
            content = member.read()
        flat = np.frombuffer(content, header.dtype)
        array = flat.reshape(header.shape, order="F" if header.fortran_order else "C")
        return array.copy() if kind is None else array.astype(kind, casting="safe")

    def require(self, name: str, kind: type[np.generic] | None, *shape: int | None) -> Header:
        """The header of an array that must be there and be such."""
        header = self.headers.get(name)
        if header is None:
            raise ValueError(f"it holds no {name}")
        if kind is not None and not np.can_cast(header.dtype, kind, "safe"):
            raise ValueError(f"{name} is {header.dtype}")
        if shape and not _fits(header.shape, shape):
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise ValueError(f"{name} has shape {header.shape}, not ({wanted})")
        return header


def write_arrays(path: ResultsPath, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write an npz file.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getvalue())


@contextmanager
def arrays_in(path: ResultsPath, largest: int) -> Iterator[Arrays]:
    """The arrays of an npz file, for the length of a `with`.

    Args:
        path: The file.
        largest: The bytes that it may have, packed and unpacked, of `involbench.results.limits`.

    Raises:
        ResultsError: It is missing, damaged, too large, or its arrays are not what they must be;
            whatever fails inside the `with` counts as damage.
    """
    with opened_to_read(path, largest) as file:
        try:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                yield Arrays(archive, _headers(archive, largest))
        except (InvolbenchError, GeneratorExit):
            raise
        except Exception as error:  # Damaged files make NumPy and zipfile raise nearly anything.
            said = str(error).strip() or type(error).__name__
            reason = said.splitlines()[0][:200]
            raise ResultsError(f"{path}: damaged: {reason}") from error


def _check_directory(file: IO[bytes]) -> None:
    """Check that the list of members is short, which zipfile would read whole."""
    file.seek(0, io.SEEK_END)
    file.seek(max(file.tell() - 2**16 - _END.size - 100, 0))
    tail = file.read()
    start = tail.rfind(b"PK\5\6")
    if start < 0 or len(tail) - start < _END.size:
        raise zipfile.BadZipFile("not a whole npz file")
    _, size = _END.unpack_from(tail, start)
    before = tail[: max(start - 20, 0)][-_END_64.size :]
    if before.startswith(b"PK\6\6") and len(before) == _END_64.size:
        size = _END_64.unpack(before)[1]
    if size > _DIRECTORY:
        raise ValueError("too many members")


def _headers(archive: zipfile.ZipFile, largest: int) -> dict[str, Header]:
    members = archive.infolist()
    if len(members) > limits.MEMBERS:
        raise ValueError(f"more than {limits.MEMBERS:,} arrays")
    if sum(member.file_size for member in members) > limits.scaled(largest):
        raise ValueError(f"its arrays together are {limits.too_large(largest)}")
    headers = dict[str, Header]()
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name == member.filename or name in headers:
            raise ValueError(f"{member.filename[:80]} is no array, or there are two of it")
        with archive.open(member) as file:
            header = _read_header(file)
            if header.nbytes != member.file_size - file.tell():
                raise ValueError(f"{name[:80]} has not the size that its header says")
        headers[name] = header
    return headers


def _read_header(file: IO[bytes]) -> Header:
    """Read the header of an array, and no further."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("not an array of numbers")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    plain = dtype.kind in "biufU" and dtype.itemsize and not dtype.subdtype
    if not plain or len(shape) > _AXES or min(shape, default=0) < 0:
        raise ValueError(f"not an array of numbers or text: {dtype}")
    return Header(shape, dtype, fortran_order)


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        length is None or length == found for found, length in zip(shape, wanted, strict=True)
    )
