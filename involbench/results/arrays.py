"""Arrays in a file: predictions, kernel maps, sample images.

Their headers are checked by `involbench.npz` before any of them is unpacked.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from involbench.errors import InvolbenchError, ResultsError
from involbench.npz import NpzFile, TooLargeError, open_npz
from involbench.results import limits
from involbench.results.files import opened_to_read, write_atomic
from involbench.results.limits import IMAGES, KERNELS, PREDICTIONS
from involbench.results.paths import ResultsPath
from involbench.results.tree import StoredRun

Stored = TypeVar("Stored", bound="PredictedClasses")


def write_arrays(path: ResultsPath, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write an npz file.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getvalue())


@contextmanager
def arrays_in(path: ResultsPath, largest: int) -> Iterator[NpzFile]:
    """Open the arrays of an npz file for the length of a `with`.

    Args:
        path: The file.
        largest: The bytes that it may have, packed and unpacked, of `involbench.results.limits`.

    Raises:
        ResultsError: It is missing, damaged, too large, or its arrays are not what they must be;
            whatever fails inside the `with` counts as damage.
    """
    with opened_to_read(path, largest) as file:
        try:
            with open_npz(file, limits.scaled(largest)) as arrays:
                yield arrays
        except (InvolbenchError, GeneratorExit):
            raise
        except TooLargeError as error:
            large = limits.too_large(largest)
            raise ResultsError(f"{path}: damaged: its arrays together are {large}") from error
        except Exception as error:  # Damaged files make NumPy and zipfile raise nearly anything.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ResultsError(f"{path}: damaged: {reason}") from error


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """N images as the input of a network, before scaling."""

    names: tuple[str, ...]
    """File names, or numbers in the test set."""
    pixels: NDArray[np.uint8]
    """(N, H, W, C)."""
    labels: NDArray[np.int64] | None
    """The true classes, (N,), if known."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a network for images."""

    images: ImageBatch
    probabilities: NDArray[np.float64]
    """(N, classes)."""


@dataclass(frozen=True, eq=False)
class LayerKernels:
    """The kernels that one involution layer generates for N images."""

    name: str
    kernel_size: tuple[int, int]
    sums: NDArray[np.float32]
    """The sum of the values of each kernel, (N, H', W', groups), at the output size."""
    kernels: NDArray[np.float32] | None
    """The kernels at one pixel, (N, groups, Kh, Kw), if one was given."""


@dataclass(frozen=True, eq=False)
class KernelMaps:
    """The kernels of every involution layer of a network, in order."""

    images: ImageBatch
    layers: tuple[LayerKernels, ...]


@dataclass(frozen=True)
class PredictedClasses:
    """The classes in `predictions.npz`, for N test images."""

    labels: NDArray[np.int64]
    """The true classes, (N,)."""
    predicted: NDArray[np.int64]
    """The most probable classes, (N,)."""

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which images have their true class, (N,)."""
        return np.equal(self.labels, self.predicted)


@dataclass(frozen=True)
class StoredPredictions(PredictedClasses):
    """`predictions.npz`: N test images and C classes."""

    probabilities: NDArray[np.float64]
    """(N, C)."""


def read_classes(run: StoredRun) -> PredictedClasses:
    """The classes in `predictions.npz`; see `read_predictions`."""
    with _stored_predictions(run) as (arrays, images, classes):
        return _classes(arrays, images, classes)


def read_predictions(run: StoredRun) -> StoredPredictions:
    """Read `predictions.npz` of a run: as many images and classes as its record says.

    Raises:
        ResultsError: It is missing, damaged, or does not hold what it should.
    """
    with _stored_predictions(run) as (arrays, images, classes):
        found = _classes(arrays, images, classes)
        probabilities = arrays.read("probabilities", np.float64, images, classes)
    return StoredPredictions(found.labels, found.predicted, probabilities)


def if_stored(
    read: Callable[[StoredRun], Stored], run: StoredRun, warnings: list[str]
) -> Stored | None:
    """What `read_predictions` or `read_classes` reads; None, with a warning, where it can't.

    A run without predictions gives no warning.
    """
    if not (run.path / "predictions.npz").exists():
        return None
    try:
        return read(run)
    except ResultsError as error:
        if str(error) not in warnings:
            warnings.append(str(error))
        return None


@contextmanager
def _stored_predictions(run: StoredRun) -> Iterator[tuple[NpzFile, int, int]]:
    """The file, and the number of images and classes that it must have."""
    path, facts = run.path / "predictions.npz", run.record.data
    if facts is None:
        raise ResultsError(f"{path}: cannot be read: run.json does not say of how many images")
    with arrays_in(path, PREDICTIONS) as arrays:
        yield arrays, facts.test_size, len(facts.class_names)


def _classes(arrays: NpzFile, images: int, classes: int) -> PredictedClasses:
    found = PredictedClasses(
        arrays.read("labels", np.int64, images), arrays.read("predicted", np.int64, images)
    )
    both = np.concatenate([found.labels, found.predicted])
    if not images or both.min() < 0 or both.max() >= classes:
        raise ValueError(f"its classes do not run from 0 to {classes - 1}")
    return found


MOST_SAMPLE_IMAGES = 100
MOST_BYTES = 2**21
"""Bytes of all stored images, unpacked."""


def sample_images_path(experiment: ResultsPath, fingerprint: str) -> ResultsPath:
    """The file with the sample images of a dataset in an experiment folder."""
    return experiment / f"images-{fingerprint[:12]}.npz"


def write_sample_images(path: ResultsPath, images: ImageBatch) -> None:
    """Write sample images, whose names are their numbers in the test set.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    assert images.labels is not None
    indices = np.array(list(map(int, images.names)), np.int64)
    write_arrays(path, {"indices": indices, "pixels": images.pixels, "labels": images.labels})


def read_sample_images(path: ResultsPath) -> ImageBatch:
    """Read sample images.

    Raises:
        ResultsError: The file is missing, damaged, or does not hold what it should.
    """
    with arrays_in(path, IMAGES) as arrays:
        indices = arrays.read("indices", np.int64, None)
        count = len(indices)
        pixels = arrays.read("pixels", np.uint8, count, None, None, None)
        labels = arrays.read("labels", np.int64, count)
        if not pixels.size or min(indices.min(), labels.min()) < 0 or count > MOST_SAMPLE_IMAGES:
            raise ValueError("its arrays do not fit each other")
    return ImageBatch(tuple(map(str, indices.tolist())), pixels, labels)


NAME = "kernels.npz"
_MOST_IMAGES = 1000
_MOST_GROUPS = 16
"""Groups stored for a layer; for more, only the mean of all."""


@dataclass(frozen=True, eq=False)
class KernelSums:
    """`kernels.npz`: the sum of the kernel values at each pixel."""

    images: tuple[str, ...]
    """Their N numbers in the test set."""
    sums: dict[str, NDArray[np.float32]]
    """Layer -> (N, H', W', groups)."""


def write_kernel_maps(run_dir: ResultsPath, maps: KernelMaps) -> None:
    """Write kernels.npz into a run folder.

    Raises:
        ResultsError: The folder cannot be written or the disk is full.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "images": np.array(maps.images.names),
        "layers": np.array([layer.name for layer in maps.layers]),
    }
    for index, layer in enumerate(maps.layers):
        sums = layer.sums
        few = sums if sums.shape[-1] <= _MOST_GROUPS else sums.mean(axis=-1, keepdims=True)
        arrays[f"sums_{index}"] = few.astype(np.float32)
    write_arrays(run_dir / NAME, arrays)


def read_kernel_maps(run_dir: ResultsPath) -> KernelSums:
    """Read kernels.npz of a run folder.

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
    return KernelSums(tuple(names), dict(zip(layers, sums, strict=True)))
