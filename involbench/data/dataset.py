"""Labelled images in train and test, checked once, and subsets of them."""

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from involbench.errors import DataError, Message
from involbench.results.record import MOST_SHARED, Remark
from involbench.text import printable

Indices = NDArray[np.int64]

# Each draw has a stream of its own, so that one seed never ties a subset to a split.
_SUBSET_STREAM, _SPLIT_STREAM = 1, 2


def balanced_subset(labels: ArrayLike, size: int, seed: int) -> Indices:
    """The sorted indices of a class-balanced random subset.

    Images are taken in rounds, one of each class a round, the classes in random order, so class
    counts differ by at most one. A class that runs out is taken whole and the others fill up.
    For one seed a smaller subset is always part of a larger one.

    Args:
        labels: (N,) integers.
        size: how many images to take, 1 to N.

    Raises:
        DataError: size is out of range.
    """
    labels = np.asarray(labels)
    if not 1 <= size <= len(labels):
        raise DataError(
            f"a subset of {size} images cannot be taken: the training data has {len(labels)}",
            remedy=f"set data.train_size between 1 and {len(labels)}",
        )
    rng = np.random.default_rng((_SUBSET_STREAM, seed))
    turn = _rank_in_class(labels, rng)
    order = np.lexsort((rng.permutation(len(labels)), turn))
    return np.sort(order[:size])


def stratified_split(labels: ArrayLike, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Hold out a random share of every class.

    A class of two or more images has at least one held out and at least one kept; the image of a
    class of one is kept.

    Args:
        labels: (N,) integers.
        fraction: share to hold out, between 0 and 1, rounded class by class.

    Returns:
        Sorted indices (keep, held_out); together they are every index once.

    Raises:
        DataError: fraction is out of range, or nothing can be held out.
    """
    labels = np.asarray(labels)
    if not 0 < fraction < 1:
        raise DataError(f"a share of {fraction} cannot be held out; it must be between 0 and 1")
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    wanted = np.floor(counts * fraction + 0.5).astype(np.int64)
    count = np.where(counts >= 2, np.clip(wanted, 1, counts - 1), 0)
    rng = np.random.default_rng((_SPLIT_STREAM, seed))
    taken = _rank_in_class(labels, rng) < count[inverse]
    if not taken.any():
        raise DataError("no image can be held out: no class has two images or more")
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def _rank_in_class(labels: NDArray[np.integer], rng: np.random.Generator) -> Indices:
    """(N,) each image's place, from 0, in a random order of its own class."""
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank = np.empty(len(labels), np.int64)
    rank[by_class] = np.arange(len(labels)) - np.repeat(starts, counts)
    return rank


Images = NDArray[np.uint8]

_SAMPLED = 64
"""Bytes of an image by which most that differ are told apart."""


def pieces(images: Images, size: int = 2**23) -> Iterator[Images]:
    """Consecutive parts of an array (N, ...) of about so many bytes, which may be on disk."""
    step = max(1, size // max(1, images[0].nbytes)) if len(images) else 1
    return (images[start : start + step] for start in range(0, len(images), step))


def samples(images: Images) -> list[bytes]:
    """Some bytes of each image (N, H, W, C), the same for equal images; cheap to take."""
    rows = images.reshape(len(images), -1)
    # An odd step: an even one would meet the same few columns in every row of pixels.
    return [row.tobytes() for row in rows[:, :: rows.shape[1] // _SAMPLED | 1]]


def shared_images(
    train: Images, test: Images, train_samples: Sequence[bytes], test_samples: Sequence[bytes]
) -> dict[int, int]:
    """Test images that are equal to a training image: the place of each -> of the first such one.

    Images (N, H, W, C), with their `samples`, by which it is known where to look closer.
    """
    in_test = set(test_samples)
    first: dict[bytes, int] = {}
    common: set[bytes] = set()
    for place, sample in enumerate(train_samples):
        if sample in in_test:
            common.add(sample)
            first.setdefault(_digest(train[place]), place)
    found = {
        place: first.get(_digest(test[place]))
        for place, sample in enumerate(test_samples)
        if sample in common
    }
    return {place: same for place, same in found.items() if same is not None}


def _digest(image: Images) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


Labels = NDArray[np.int64]

SHARED = "same images"
"""What a remark on test images that are training images too is about."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (N, H, W, C) uint8 and labels (N,) int64 of both splits; the arrays are read-only.

    Make one with `make_dataset`, which checks all of it.
    """

    name: str
    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    class_names: tuple[str, ...]
    fingerprint: str
    test_in_train: int = 0
    """How many test images are training images too, pixel by pixel."""
    remarks: tuple[Remark, ...] = ()
    """What the user should know of it."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """How many classes there are; labels run from 0 to one less."""
        return len(self.class_names)


def make_dataset(
    name: str,
    x_train: NDArray[Any],
    y_train: NDArray[Any],
    x_test: NDArray[Any],
    y_test: NDArray[Any],
    class_names: Sequence[str],
    where: str | None = None,
    files: tuple[Sequence[str], Sequence[str]] | None = None,
    remarks: Sequence[Remark] = (),
) -> Dataset:
    """Check the parts against each other, compute the fingerprint, find images in both splits.

    Args:
        x_train, x_test: uint8 images (N, H, W, C).
        y_train, y_test: integer labels (N,), 0 to len(class_names) - 1.
        class_names: compared and kept in Unicode's composed form (NFC).
        where: how messages call it, e.g. its path, which does not belong into a Dataset.
        files: what messages call the images of train and test; their numbers by default.
        remarks: what the user should know of it already.

    Raises:
        DataError: the parts do not fit together, or there is nothing to learn from.
    """
    names = tuple(unicodedata.normalize("NFC", each) for each in class_names)
    where = where or name
    _check_class_names(where, names)
    for split, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        _check_split(where, split, x, y, len(names))
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"{where}: training images are {_shape(x_train)} but test images {_shape(x_test)}; "
            "both splits need the same height, width and channels"
        )
    _check_every_class_is_trained(where, y_train, names)
    x_train, x_test = _frozen(x_train), _frozen(x_test)
    y_train, y_test = _frozen(y_train.astype(np.int64)), _frozen(y_test.astype(np.int64))
    fingerprint, sampled = _fingerprint((x_train, y_train, x_test, y_test), names)
    same = shared_images(x_train, x_test, sampled[0], sampled[2])
    if same:
        remarks = *remarks, _remark_on_shared(where, same, len(x_test), files)
    parts = x_train, y_train, x_test, y_test
    return Dataset(name, *parts, names, fingerprint, len(same), tuple(remarks))


def _check_class_names(where: str, names: tuple[str, ...]) -> None:
    if len(names) < 2:
        found = f"only one class, {names[0]!r}" if names else "no class"
        raise DataError(f"{where}: {found}; a classification needs at least two")
    for index, class_name in enumerate(names):
        if not class_name.isprintable() or not class_name.strip():
            raise DataError(f"{where}: class {index} has the unprintable name {class_name!r}")
        if class_name in names[:index]:
            raise DataError(f"{where}: two classes are named {class_name!r}")


def _check_split(
    where: str, split: str, x: NDArray[Any], y: NDArray[Any], num_classes: int
) -> None:
    if x.dtype != np.uint8 or x.ndim != 4 or 0 in x.shape[1:]:
        raise DataError(
            f"{where}: {split} images must be uint8 (N, H, W, C). "
            f"Received: dtype={x.dtype}, shape={x.shape}"
        )
    if not len(x):
        raise DataError(f"{where}: there is no {split} image; at least one is needed")
    if y.dtype.kind not in "iu" or y.shape != (len(x),):
        raise DataError(
            f"{where}: {split} labels must be integers, one for each of {len(x)} images. "
            f"Received: dtype={y.dtype}, shape={y.shape}"
        )
    if y.min() < 0 or y.max() >= num_classes:
        wrong = y.min() if y.min() < 0 else y.max()
        raise DataError(
            f"{where}: a {split} image has label {wrong}; "
            f"labels of {num_classes} classes run from 0 to {num_classes - 1}"
        )


def _check_every_class_is_trained(where: str, y_train: NDArray[Any], names: Sequence[str]) -> None:
    counts = np.bincount(y_train.astype(np.int64), minlength=len(names))
    absent = [f"{label} ({names[label]})" for label in np.flatnonzero(counts == 0).tolist()]
    if absent:
        raise DataError(f"{where}: these classes have no training image", names=absent)


def _shape(x: NDArray[Any]) -> str:
    return "x".join(map(str, x.shape[1:]))


def _frozen(x: NDArray[Any]) -> NDArray[Any]:
    # A view, so that an array of the caller's keeps its own flag.
    view = np.ascontiguousarray(x).view()
    view.flags.writeable = False
    return view


def _remark_on_shared(
    where: str,
    same: Mapping[int, int],
    test_size: int,
    files: tuple[Sequence[str], Sequence[str]] | None,
) -> Remark:
    """Which test images are training images too."""
    pairs = (
        (files[1][test], files[0][train]) if files else (str(test), f"training image {train}")
        for test, train in same.items()
    )
    of = f"{len(same)} of {test_size} test images {'is' if len(same) == 1 else 'are'}"
    message = Message(
        f"{where}: {of} in the training images too, pixel by pixel",
        names=tuple(f"{printable(test)} ({printable(train)})" for test, train in pairs),
        remedy="remove them from one of the two; the accuracy on them tests nothing",
    )
    return Remark(SHARED, message, warning=len(same) > MOST_SHARED * test_size)


def _fingerprint(
    arrays: Sequence[NDArray[Any]], class_names: Sequence[str]
) -> tuple[str, list[list[bytes]]]:
    """SHA-256 of what a model can see, and `samples` of each array of images.

    Neither the name nor the file format counts. Images may be on disk: they are read once.
    """
    head = {"shapes": [array.shape for array in arrays], "class_names": class_names}
    digest = hashlib.sha256(json.dumps(head).encode())
    sampled: list[list[bytes]] = []
    for array in arrays:
        taken: list[bytes] = []
        if array.dtype == np.uint8:  # images
            for piece in pieces(array):
                digest.update(piece.data)
                taken += samples(piece)
        else:  # labels, little-endian on every machine
            digest.update(array.astype("<i8").data)
        sampled.append(taken)
    return digest.hexdigest(), sampled
