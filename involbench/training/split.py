"""A dataset divided into what a trial trains on, validates on and is tested on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from involbench.data import Dataset
from involbench.data.subsets import balanced_subset, stratified_split


@dataclass(frozen=True)
class Split:
    """Images (N, H, W, C) uint8 with labels (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @property
    def chance(self) -> float:
        """Share of the most frequent class: the accuracy of a constant answer."""
        return float(np.bincount(self.labels).max() / len(self.labels))


@dataclass(frozen=True)
class TrialData:
    """The three splits of one trial, and how its images are scaled."""

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
    """Take the subset, hold out the validation images from it, and measure the training images.

    Raises:
        DataError: `train_size` is more than there are, or too few for a validation split.
    """
    images, labels = dataset.x_train, dataset.y_train
    test = Split(dataset.x_test, dataset.y_test)
    if train_size is not None:
        subset = balanced_subset(labels, train_size, seed)
        images, labels = images[subset], labels[subset]
    train, held_out = Split(images, labels), test
    if validation != "test":
        keep, hold = stratified_split(labels, validation, seed)
        train, held_out = Split(images[keep], labels[keep]), Split(images[hold], labels[hold])
    channels = images.shape[-1]
    mean, std = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    if normalization == "standardize":
        mean, std = _channel_statistics(train.images)
    return TrialData(train, held_out, test, mean, std)


def _channel_statistics(
    images: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of x/255, a channel; a constant channel gets std 1."""
    values = np.arange(256) / 255
    counts = np.stack(
        [np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])]
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    std = np.sqrt(np.maximum(shares @ values**2 - mean**2, 0))
    return mean.astype(np.float32), np.where(std > 1e-6, std, 1).astype(np.float32)
