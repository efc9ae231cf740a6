"""Dividing a dataset into the training, validation and test images of a trial."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from involbench.data import Dataset
from involbench.data.dataset import balanced_subset, stratified_split
from involbench.errors import DataError

_PIECE = 256
"""Images that are counted at a time."""


@dataclass(frozen=True)
class Split:
    """Some images of an array (N, H, W, C) uint8, which is not copied, and their labels (M,)."""

    images: NDArray[np.uint8]
    """The whole array; it may be on disk."""
    labels: NDArray[np.int64]
    rows: NDArray[np.int64] | None = None
    """(M,) indices of the images of the split; None where it has all images."""

    def take(self, chosen: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Read the chosen images of the split."""
        rows = chosen if self.rows is None else self.rows[chosen]
        # For rows, `take` is several times faster than indexing, and lets other threads run.
        return self.images[rows] if isinstance(rows, slice) else self.images.take(rows, axis=0)

    def part(self, chosen: NDArray[np.int64]) -> "Split":
        """The chosen images of the split, as a split."""
        rows = chosen if self.rows is None else self.rows[chosen]
        return Split(self.images, self.labels[chosen], rows)

    @property
    def chance(self) -> float:
        """Share of the most frequent class: the accuracy of a constant prediction."""
        return float(np.bincount(self.labels).max() / len(self.labels))


@dataclass(frozen=True)
class TrialData:
    """The three splits of a trial, and how its images are scaled: (x / 255 - mean) / std."""

    train: Split
    validation: Split
    test: Split
    mean: NDArray[np.float32]
    std: NDArray[np.float32]


def split_dataset(
    dataset: Dataset,
    seed: int,
    train_size: int | None = None,
    validation: Literal["test"] | float = "test",
    normalization: str = "unit",
) -> TrialData:
    """Choose the subset, split off validation images, and measure the training images.

    Raises:
        DataError: `train_size` is larger than the dataset, or too small for a validation split.
    """
    test = Split(dataset.x_test, dataset.y_test)
    train, held_out = Split(dataset.x_train, dataset.y_train), test
    if train_size is not None:
        train = train.part(balanced_subset(train.labels, train_size, seed))
    if validation != "test":
        try:
            keep, hold = stratified_split(train.labels, validation, seed)
        except DataError as error:
            remedy = "train on more images, or set data.validation to test"
            raise DataError(f"data.validation {validation:g}: {error}; {remedy}") from None
        train, held_out = train.part(keep), train.part(hold)
    channels = dataset.input_shape[-1]
    mean, std = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    if normalization == "standardize":
        mean, std = _channel_statistics(train)
    return TrialData(train, held_out, test, mean, std)


def _channel_statistics(split: Split) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of x/255 for each channel; a constant channel gets std 1."""
    values = np.arange(256) / 255
    counts = np.zeros((split.images.shape[-1], 256), np.int64)
    for start in range(0, len(split.labels), _PIECE):
        counts += _pixel_counts(split.take(slice(start, start + _PIECE)))
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    std = np.sqrt(np.maximum(shares @ values**2 - mean**2, 0))
    return mean.astype(np.float32), np.where(std > 1e-6, std, 1).astype(np.float32)


def _pixel_counts(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(C, 256): in each channel, the number of pixels that have each value."""
    channels = range(images.shape[-1])
    return np.stack([np.bincount(images[..., c].ravel(), minlength=256) for c in channels])
