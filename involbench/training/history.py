"""The history of a fit: one value an epoch for every metric, and the seconds."""

import time
from collections.abc import Callable
from typing import Any

import keras

from involbench.results.progress import EpochReport


class EpochHistory(keras.callbacks.Callback):
    """Collects `values`, and reports each epoch as it ends.

    `seconds` is the wall-clock time of the epoch's training steps, without the validation.
    """

    def __init__(self, epochs: int, on_epoch: Callable[[EpochReport], None]) -> None:
        super().__init__()
        self.values: dict[str, list[float]] = {}
        self._epochs = epochs
        self._on_epoch = on_epoch
        self._seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._seconds = time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        metrics["seconds"] = self._seconds
        for name, value in metrics.items():
            self.values.setdefault(name, []).append(value)
        self._on_epoch(EpochReport(epoch + 1, self._epochs, metrics))
