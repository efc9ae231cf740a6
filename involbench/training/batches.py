"""Batches for `model.fit`: pairs of uint8 images (B, H, W, C) and labels (B,)."""

from functools import lru_cache

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data.augment import augment
from involbench.training.split import Split

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


class EvaluationBatches(keras.utils.PyDataset):
    """A split in its own order."""

    def __init__(self, split: Split, batch_size: int) -> None:
        super().__init__()
        self.split = split
        self.batch_size = batch_size

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        return self.split.images.shape[1:]

    def __len__(self) -> int:
        return -(-len(self.split.labels) // self.batch_size)

    def __getitem__(self, index: int) -> Batch:
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.split.take(chosen), self.split.labels[chosen]


class TrainingBatches:
    """The batches of the training split: shuffled anew each epoch, and augmented.

    Order and augmentation are drawn from (seed, epoch, batch) alone, so that they do not depend
    on what was drawn before, or in which thread. Where a training goes on in the middle of an
    epoch, batches are counted from the epoch's `first` one on.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        seed: int,
        augmentation: tuple[str, ...] = (),
        first: int = 0,
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.first = first
        self._seed = seed

    def __len__(self) -> int:
        """Of an epoch."""
        return -(-len(self.split.labels) // self.batch_size) - self.first

    def make(self, epoch: int, index: int) -> Batch:
        """One batch; both are counted from 0. May be called in any thread."""
        place = self.first + index
        order = _order(self._seed, epoch, len(self.split.labels))
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        images = self.split.take(chosen)
        if self.augmentation:
            rng = np.random.default_rng((self._seed, epoch, place))
            images = augment(images, self.augmentation, rng)
        return images, self.split.labels[chosen]


@lru_cache(maxsize=2)  # Batches of the next epoch are made before the last ones of this are taken.
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.random.default_rng((seed, epoch)).permutation(count)
    return order
