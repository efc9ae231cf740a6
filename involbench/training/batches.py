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
        self._split = split
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._split.labels) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = slice(index * self._batch_size, (index + 1) * self._batch_size)
        return self._split.images[chosen], self._split.labels[chosen]


class TrainingBatches(EvaluationBatches):
    """The training split, shuffled anew each epoch, and augmented.

    Order and augmentation are drawn from (seed, epoch, batch) alone, so that they do not depend
    on what was drawn before.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        seed: int,
        augmentation: tuple[str, ...] = (),
    ) -> None:
        super().__init__(split, batch_size)
        self._seed = seed
        self._augmentation = augmentation
        self._start_epoch(0)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        images = self._split.images[chosen]
        if self._augmentation:
            rng = np.random.default_rng((self._seed, self._epoch, index))
            images = augment(images, self._augmentation, rng)
        return images, self._split.labels[chosen]

    def on_epoch_end(self) -> None:
        self._start_epoch(self._epoch + 1)

    def _start_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        rng = np.random.default_rng((self._seed, epoch))
        self._order = rng.permutation(len(self._split.labels))
