"""Batches for `model.fit`: pairs of uint8 images (B, H, W, C) and labels (B,)."""

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data.augment import augment
from involbench.training.split import Split


class EvaluationBatches(keras.utils.PyDataset):
    """A split in its own order."""

    def __init__(self, split: Split, batch_size: int) -> None:
        super().__init__()
        self.split = split
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.split.labels) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.split.images[chosen], self.split.labels[chosen]


class TrainingBatches(EvaluationBatches):
    """The training split, shuffled anew each epoch, and augmented.

    Order and augmentation are drawn from (seed, epoch, batch) alone, so that they do not depend
    on what was drawn before. Where a training goes on in the middle of an epoch, batches are
    counted from the epoch's `first` one on.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        seed: int,
        augmentation: tuple[str, ...] = (),
        first: int = 0,
    ) -> None:
        super().__init__(split, batch_size)
        self.augmentation = augmentation
        self.first = first
        self._seed = seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draw the order of an epoch, counted from 0."""
        self._epoch = epoch
        rng = np.random.default_rng((self._seed, epoch))
        order: NDArray[np.int64] = rng.permutation(len(self.split.labels))
        self.order = order[self.first * self.batch_size :]

    def __len__(self) -> int:
        return super().__len__() - self.first

    def augmented(self, images: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """The images of batch `index`, changed at random."""
        rng = np.random.default_rng((self._seed, self._epoch, self.first + int(index)))
        return augment(images, self.augmentation, rng)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.split.images[chosen]
        if self.augmentation:
            images = self.augmented(images, index)
        return images, self.split.labels[chosen]
