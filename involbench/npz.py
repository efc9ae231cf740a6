"""Arrays in an npz file whose headers are read and checked before any array is unpacked.

`numpy.load` unpacks whatever a file claims to hold. Here the list of members, the size that each
header promises and the types are known first, and pickled objects are never read.
"""

import io
import math
import struct
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

Shape = tuple[int | None, ...]
"""None stands for any length."""

MEMBERS = 100_000
"""Arrays in one file, at most."""
_DIRECTORY_BYTES = 2**23
"""Of the largest list of members that is read."""
_AXES = 8
_END = struct.Struct("<4s8xL6x")
_END_64 = struct.Struct("<4s36xQ28x")
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Header:
    """What the file says of one array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool

    @property
    def nbytes(self) -> int:
        """Bytes that the array takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class NpzFile:
    """An open npz file: its headers are checked, no array has been unpacked."""

    archive: zipfile.ZipFile
    headers: Mapping[str, Header]

    def read(self, name: str, kind: type[np.generic] | None = None, *shape: int | None) -> Any:
        """Unpack an array.

        Args:
            name: Its name.
            kind: The type to convert it to; None leaves it as it is.
            shape: What its shape must be; not given, any.

        Raises:
            ValueError: It is missing, of another type or shape, or damaged.
        """
        header = self.require(name, kind, *shape)
        try:
            with self.archive.open(f"{name}.npy") as member:
                _read_header(member)
                content = member.read()
        except Exception as error:  # Damaged members make zipfile raise nearly anything.
            raise ValueError(f"{name[:80]} is damaged ({_first_line(error)})") from error
        flat = np.frombuffer(content, header.dtype)
        array = flat.reshape(header.shape, order="F" if header.fortran_order else "C")
        return array.copy() if kind is None else array.astype(kind, casting="safe")

    def require(self, name: str, kind: type[np.generic] | None, *shape: int | None) -> Header:
        """The header of an array that must be there, and be of this type and shape.

        Raises:
            ValueError: It is not.
        """
        header = self.headers.get(name)
        if header is None:
            raise ValueError(f"it holds no {name}")
        if kind is not None and not np.can_cast(header.dtype, kind, "safe"):
            raise ValueError(f"{name} is {header.dtype}")
        if shape and not _fits(header.shape, shape):
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise ValueError(f"{name} has shape {header.shape}, not ({wanted})")
        return header


@contextmanager
def open_npz(
    file: IO[bytes], largest: int | None = None, only: Collection[str] | None = None
) -> Iterator[NpzFile]:
    """Read and check the headers of an npz file, for the length of a `with`.

    Args:
        file: The file, open for reading.
        largest: The bytes that all its arrays may take together; None is any number.
        only: The arrays to look at; None is all, and then nothing else may be in the file.

    Raises:
        ValueError, zipfile.BadZipFile, OSError, ...: It is damaged, or an array is not of plain
            numbers or text. Damaged archives make zipfile and NumPy raise nearly anything.
    """
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MEMBERS:
            raise ValueError(f"more than {MEMBERS:,} arrays")
        if largest is not None and sum(member.file_size for member in members) > largest:
            raise TooLargeError
        yield NpzFile(archive, _headers(archive, members, only))


class TooLargeError(ValueError):
    """The arrays of a file take more bytes than they may."""


def _check_directory(file: IO[bytes]) -> None:
    """Check that the list of members is short: zipfile would read all of it."""
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
    if size > _DIRECTORY_BYTES:
        raise ValueError("too many members")


def _headers(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], only: Collection[str] | None
) -> dict[str, Header]:
    headers = dict[str, Header]()
    for member in members:
        name = member.filename.removesuffix(".npy")
        if only is not None and name not in only:
            continue
        if name == member.filename or name in headers:
            raise ValueError(f"{member.filename[:80]} is not an array, or is there twice")
        try:
            with archive.open(member) as file:
                header = _read_header(file)
                promised, found = header.nbytes, member.file_size - file.tell()
        except Exception as error:  # See `open_npz`.
            raise ValueError(f"{name[:80]} is damaged ({_first_line(error)})") from error
        _check_plain(name[:80], header)
        if promised != found:
            raise ValueError(f"{name[:80]} does not have the size that its header states")
        headers[name] = header
    return headers


def _read_header(file: IO[bytes]) -> Header:
    """Read the header of an array, and no further."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS:
        raise ValueError(f"npy version {version} is not supported")
    shape, fortran_order, dtype = _HEADER_READERS[version](file)
    return Header(shape, dtype, fortran_order)


def _check_plain(name: str, header: Header) -> None:
    dtype, shape = header.dtype, header.shape
    if dtype.hasobject:
        raise ValueError(
            f"{name} holds pickled Python objects, which are refused because they can run code"
        )
    plain = dtype.kind in "biufU" and dtype.itemsize and not dtype.subdtype
    if not plain or len(shape) > _AXES or min(shape, default=0) < 0:
        raise ValueError(f"{name} is not an array of numbers or text: {dtype}")


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        length is None or length == found for found, length in zip(shape, wanted, strict=True)
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:200]
