"""The history of a fit: one value an epoch for every metric, and the seconds."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from involbench.results.record import EpochReport

NAMES = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")
"""Of the values of an epoch."""


class EpochHistory(keras.callbacks.Callback):
    """Collects `values`, and reports each epoch as it ends.

    `seconds` is the wall-clock time of the epoch's training steps, without the validation.

    Args:
        epochs: How many there will be.
        images: How many an epoch trains on.
        on_epoch: Takes a report of each.
        values: Of the epochs before, where a training goes on.
        seconds: Spent on the first epoch before, where it goes on in its middle.
    """

    def __init__(
        self,
        epochs: int,
        images: int,
        on_epoch: Callable[[EpochReport], None],
        values: dict[str, list[float]] | None = None,
        seconds: float = 0.0,
    ) -> None:
        super().__init__()
        self.values = {name: list(row) for name, row in (values or {}).items()}
        self.seconds = seconds
        self._before = seconds
        self._epochs = epochs
        self._images = images
        self._on_epoch = on_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()
        self.seconds = self._before

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds = self._before + time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        metrics = {name: _shortest(value) for name, value in (logs or {}).items()}
        metrics["seconds"] = self.seconds
        for name, value in metrics.items():
            self.values.setdefault(name, []).append(value)
        self._before = self.seconds = 0.0
        self._on_epoch(EpochReport(epoch + 1, self._epochs, self._images, metrics))


def _shortest(value: float) -> float:
    """Of a 32-bit number the shortest decimal: 0.7, where its own value is 0.699999988079071.

    With the digits that 32 bits do not have, seeds that gain a tenth would gain different amounts.
    """
    return float(str(np.float32(value)))
