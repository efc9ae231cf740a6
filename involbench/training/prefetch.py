"""Training batches, made in background threads, and the time spent waiting for them."""

import statistics
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data.augmentation import augment
from involbench.data.decoding import THREADS, OrderedPrefetcher
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


class DataStallMonitor(keras.callbacks.Callback):
    """Measures which share of the training steps' time is spent waiting for a batch.

    The steps' time of an epoch is from its beginning to the end of its last step, as in
    `EpochHistory`. A step waits from when it asks for its batch until the batch is made, if it is
    not made by then. (Keras waits for the device at the end of each step, so that the device, too,
    has nothing to do meanwhile.)
    """

    def __init__(self) -> None:
        super().__init__()
        self._shares: list[float] = []
        self._forget()

    @property
    def share(self) -> float | None:
        """Median over the epochs; None before the first has ended."""
        return statistics.median(self._shares) if self._shares else None

    def given(self, asked: float | None, made: float) -> None:
        """The next batch is handed over; both on the clock of `time.perf_counter`.

        Args:
            asked: When it was asked for; None where that is when its step begins.
            made: When it was made.
        """
        self._given.append((asked, made))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._forget()
        self._began = self._ended = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._begun.append(time.perf_counter())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        waited = sum(
            max(0.0, made - (begun if asked is None else asked))
            for begun, (asked, made) in zip(self._begun, self._given, strict=False)
        )
        self._shares.append(waited / (self._ended - self._began))

    def _forget(self) -> None:
        self._begun: list[float] = []
        self._given: list[tuple[float | None, float]] = []


_MOST_BYTES = 2**28
"""Of batches that wait to be taken."""

_Place = tuple[int, int]
"""Epoch and batch, both counted from 0."""


class PreparedBatches(keras.utils.PyDataset):
    """The batches of some epochs, of one epoch after the other.

    Those of the next epoch are begun while this one is validated. To be used in a `with`, at the
    end of which its threads end.

    Args:
        batches: What they are.
        epochs: Counted from 0.
        wait: Is told of each batch.
    """

    def __init__(self, batches: TrainingBatches, epochs: range, wait: DataStallMonitor) -> None:
        super().__init__()
        self.batches, self.batch_size = batches, batches.batch_size
        self.split, self.image_shape = batches.split, batches.split.images.shape[1:]
        self._epochs, self._wait = epochs, wait
        self._epoch = epochs.start
        self._taking = threading.Lock()
        self._places = self._all()
        self._due: _Place | None = None
        nbytes = batches.split.images[0].nbytes * batches.batch_size
        ahead = max(2, min(THREADS + 2, _MOST_BYTES // nbytes))
        self._made = OrderedPrefetcher(self._make, self._all(), ahead)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._taking:
            self._due = None
        self._made.__exit__(*exception)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.take(index, time.perf_counter())

    def start_epoch(self, epoch: int) -> None:
        """From now on it is batches of this epoch that are asked for."""
        with self._taking:
            self._epoch = epoch
            self._due = self._due or next(self._places, None)

    def take(self, index: int, asked: float | None = None) -> Batch:
        """A batch of the epoch, as soon as it is there; see `InputWait.given`."""
        place = self._epoch, int(index)
        with self._taking:  # A pipeline of TensorFlow's that was left may still be at it.
            if place == self._due:
                self._due = next(self._places, None)
                batch, then = next(self._made)
            else:  # Keras looks at some before the first epoch.
                batch, then = self._make(place)
            self._wait.given(asked, then)
        return batch

    def _all(self) -> Iterator[_Place]:
        return ((epoch, index) for epoch in self._epochs for index in range(len(self.batches)))

    def _make(self, place: _Place) -> tuple[Batch, float]:
        """A batch, and when it was made."""
        return self.batches.make(*place), time.perf_counter()


Batches = PreparedBatches | EvaluationBatches
"""What a model is fitted to, and what it is validated and tested on."""
