"""Training batches, made in background threads before the training steps ask for them."""

import threading
import time
from collections.abc import Iterator
from typing import Self

import keras

from involbench.data.in_order import THREADS, InOrder
from involbench.training.batches import Batch, EvaluationBatches, TrainingBatches
from involbench.training.input_wait import InputWait

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

    def __init__(self, batches: TrainingBatches, epochs: range, wait: InputWait) -> None:
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
        self._made = InOrder(self._make, self._all(), ahead)

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
