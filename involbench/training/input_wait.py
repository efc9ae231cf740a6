"""How long training steps wait for their batches."""

import statistics
import time
from typing import Any

import keras


class InputWait(keras.callbacks.Callback):
    """Measures which share of the training steps' time is spent waiting for a batch.

    The steps' time of an epoch is from its beginning to the end of its last step, as in
    `EpochHistory`. A step waits from when it asks for its batch until the batch is made, if it is
    not made by then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shares: list[float] = []
        self._forget()

    @property
    def share(self) -> float | None:
        """Median over the epochs; None before the first has ended."""
        return statistics.median(self._shares) if self._shares else None

    def asked(self) -> None:
        """The next batch is wanted now."""
        self._asked.append(time.perf_counter())

    def given(self, made: float) -> None:
        """The next batch is handed over; when it was made, on the clock of `time.perf_counter`."""
        self._made.append(made)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._forget()
        self._began = self._ended = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # TensorFlow asks inside of the step; other backends have asked by now.
        if len(self._asked) == batch:
            self.asked()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        waits = (made - asked for asked, made in zip(self._asked, self._made, strict=True))
        waited = sum(wait for wait in waits if wait > 0)
        self._shares.append(waited / (self._ended - self._began))

    def _forget(self) -> None:
        self._asked: list[float] = []
        self._made: list[float] = []
