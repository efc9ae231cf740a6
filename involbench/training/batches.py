"""Batches for `model.fit`: uint8 images in memory, scaled when a batch is made."""

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data.augment import augment
from involbench.training.split import Split


class Scaler:
    """Turns uint8 images into float32: `(x/255 - mean) / std`, a mean and std a channel."""

    def __init__(self, mean: NDArray[np.float32], std: NDArray[np.float32]) -> None:
        self._scale = (1 / (255 * std)).astype(np.float32)
        self._offset = (-mean / std).astype(np.float32)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images (B, H, W, C) as float32 of the same shape."""
        scaled = np.multiply(images, self._scale, dtype=np.float32)
        return np.add(scaled, self._offset, out=scaled)


class EvaluationBatches(keras.utils.PyDataset):
    """A split in its own order: pairs of images (B, H, W, C) float32 and labels (B,)."""

    def __init__(self, split: Split, scaler: Scaler, batch_size: int) -> None:
        super().__init__()
        self._split = split
        self._scaler = scaler
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._split.labels) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        chosen = slice(index * self._batch_size, (index + 1) * self._batch_size)
        return self._scaler(self._split.images[chosen]), self._split.labels[chosen]


class TrainingBatches(EvaluationBatches):
    """The training split, shuffled anew each epoch, and augmented.

    Order and augmentation are drawn from (seed, epoch, batch) alone, so that they do not depend
    on what was drawn before.
    """

    def __init__(
        self,
        split: Split,
        scaler: Scaler,
        batch_size: int,
        seed: int,
        augmentation: tuple[str, ...] = (),
    ) -> None:
        super().__init__(split, scaler, batch_size)
        self._seed = seed
        self._augmentation = augmentation
        self._start_epoch(0)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        images = self._split.images[chosen]
        if self._augmentation:
            rng = np.random.default_rng((self._seed, self._epoch, index))
            images = augment(images, self._augmentation, rng)
        return self._scaler(images), self._split.labels[chosen]

    def on_epoch_end(self) -> None:
        self._start_epoch(self._epoch + 1)

    def _start_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        rng = np.random.default_rng((self._seed, epoch))
        self._order = rng.permutation(len(self._split.labels))
