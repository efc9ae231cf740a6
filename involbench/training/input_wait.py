"""How long training steps wait for their batches."""

import statistics
import time
from typing import Any

import keras


class InputWait(keras.callbacks.Callback):
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
