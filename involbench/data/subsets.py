"""Which images to take: class-balanced subsets and stratified splits, drawn by a seed."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from involbench.errors import DataError

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
    held = np.where(counts >= 2, np.clip(wanted, 1, counts - 1), 0)
    rng = np.random.default_rng((_SPLIT_STREAM, seed))
    is_held = _rank_in_class(labels, rng) < held[inverse]
    if not is_held.any():
        raise DataError("no image can be held out: no class has two images or more")
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def _rank_in_class(labels: NDArray[np.integer], rng: np.random.Generator) -> Indices:
    """(N,) each image's place, from 0, in a random order of its own class."""
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank = np.empty(len(labels), np.int64)
    rank[by_class] = np.arange(len(labels)) - np.repeat(starts, counts)
    return rank
