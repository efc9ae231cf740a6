"""Arrays in a file: predictions, kernel maps, sample images.

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
from involbench.results.limits import IMAGES, KERNELS, PREDICTIONS
from involbench.results.paths import ResultsPath
from involbench.results.tree import StoredRun

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


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """N images as a network gets them, before they are scaled."""

    names: tuple[str, ...]
    """The file each is from, or its number among the test images."""
    pixels: NDArray[np.uint8]
    """(N, H, W, C)."""
    labels: NDArray[np.int64] | None
    """The true classes, (N,), where they are known."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network says of images."""

    pictures: ImageBatch
    probabilities: NDArray[np.float64]
    """(N, classes)."""


@dataclass(frozen=True, eq=False)
class LayerKernels:
    """The kernels that one involution layer makes for N images."""

    name: str
    kernel_size: tuple[int, int]
    sums: NDArray[np.float32]
    """The sum of each kernel's values, (N, H', W', groups): H' and W' as the layer's output."""
    kernels: NDArray[np.float32] | None
    """Those at one pixel, (N, groups, Kh, Kw), where one is asked for."""


@dataclass(frozen=True, eq=False)
class KernelMaps:
    """The kernels of every involution layer of a network, in its order."""

    pictures: ImageBatch
    layers: tuple[LayerKernels, ...]


@dataclass(frozen=True)
class Predicted:
    """N test images and C classes."""

    labels: NDArray[np.int64]
    """The true classes, (N,)."""
    predicted: NDArray[np.int64]
    """The most probable classes, (N,)."""
    probabilities: NDArray[np.float64]
    """(N, C)."""


def read_predictions(run: StoredRun) -> Predicted:
    """Read `predictions.npz` of a run: as many images and classes as its record says.

    Raises:
        ResultsError: It is missing, damaged, or does not hold what it should.
    """
    path, facts = run.path / "predictions.npz", run.record.data
    if facts is None:
        raise ResultsError(f"{path}: cannot be read: run.json does not say of how many images")
    images, classes = facts.test_size, len(facts.class_names)
    with arrays_in(path, PREDICTIONS) as arrays:
        found = Predicted(
            arrays.read("labels", np.int64, images),
            arrays.read("predicted", np.int64, images),
            arrays.read("probabilities", np.float64, images, classes),
        )
        both = np.concatenate([found.labels, found.predicted])
        if not images or both.min() < 0 or both.max() >= classes:
            raise ValueError(f"its classes do not run from 0 to {classes - 1}")
    return found


MOST_PICTURES = 100
MOST_BYTES = 2**21
"""Of all images kept, unpacked."""


def pictures_path(experiment: ResultsPath, fingerprint: str) -> ResultsPath:
    """Where the images of a dataset are, in an experiment's folder."""
    return experiment / f"images-{fingerprint[:12]}.npz"


def write_pictures(path: ResultsPath, pictures: ImageBatch) -> None:
    """Write test images; their names are their numbers in the test set.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    assert pictures.labels is not None
    indices = np.array(list(map(int, pictures.names)), np.int64)
    write_arrays(path, {"indices": indices, "pixels": pictures.pixels, "labels": pictures.labels})


def read_pictures(path: ResultsPath) -> ImageBatch:
    """Read them again.

    Raises:
        ResultsError: The file is missing, damaged, or does not hold what it should.
    """
    with arrays_in(path, IMAGES) as arrays:
        indices = arrays.read("indices", np.int64, None)
        count = len(indices)
        pixels = arrays.read("pixels", np.uint8, count, None, None, None)
        labels = arrays.read("labels", np.int64, count)
        if not pixels.size or min(indices.min(), labels.min()) < 0 or count > MOST_PICTURES:
            raise ValueError("its arrays do not fit each other")
    return ImageBatch(tuple(map(str, indices.tolist())), pixels, labels)


NAME = "kernels.npz"
_MOST_IMAGES = 1000
_MOST_GROUPS = 16
"""Of a layer with more the mean of all is kept."""


@dataclass(frozen=True, eq=False)
class KeptMaps:
    """The sums of the kernels' values at each pixel."""

    images: tuple[str, ...]
    """Their numbers in the test set, N."""
    sums: dict[str, NDArray[np.float32]]
    """Layer -> (N, H', W', groups), with one group in place of many."""


def write_kernel_maps(run_dir: ResultsPath, maps: KernelMaps) -> None:
    """Write kernels.npz into a run folder.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "images": np.array(maps.pictures.names),
        "layers": np.array([layer.name for layer in maps.layers]),
    }
    for index, layer in enumerate(maps.layers):
        sums = layer.sums
        few = sums if sums.shape[-1] <= _MOST_GROUPS else sums.mean(axis=-1, keepdims=True)
        arrays[f"sums_{index}"] = few.astype(np.float32)
    write_arrays(run_dir / NAME, arrays)


def read_kernel_maps(run_dir: ResultsPath) -> KeptMaps:
    """Read it again.

    Raises:
        ResultsError: It is missing, damaged, or does not hold what it should.
    """
    with arrays_in(run_dir / NAME, KERNELS) as arrays:
        count = len(arrays.headers) - 2
        layers = arrays.read("layers", np.str_, count).tolist()
        (images,) = arrays.require("images", np.str_, None).shape
        shape = images, None, None, None
        sums = [arrays.read(f"sums_{index}", np.float32, *shape) for index in range(count)]
        if not sums or not all(each.size for each in sums) or images > _MOST_IMAGES:
            raise ValueError("its arrays do not fit each other")
        names = arrays.read("images", np.str_, images).tolist()
    return KeptMaps(tuple(names), dict(zip(layers, sums, strict=True)))
