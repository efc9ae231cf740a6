"""Trainings that wait for each of their batches."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from involbench.data import decoding as in_order
from involbench.training import prefetch as batches
from involbench.training.prefetch import DataStallMonitor

SECONDS = 0.3
"""From the beginning of a step to its batch, at least."""


@contextmanager
def starving() -> Iterator[None]:
    """Make every batch that is augmented so late that its step has to wait for it."""
    begun = threading.Semaphore(0)
    begin, augment = DataStallMonitor.on_train_batch_begin, batches.augment

    def begins(self, batch, logs=None):
        begin(self, batch)
        begun.release()

    def slow(images, names, rng):
        if threading.current_thread().name.startswith("ThreadPoolExecutor"):  # Made ahead.
            begun.acquire()
            time.sleep(SECONDS)
        return augment(images, names, rng)

    with (
        patch.object(in_order, "THREADS", 1),  # Batches are begun in their order.
        patch.object(DataStallMonitor, "on_train_batch_begin", begins),
        patch.object(batches, "augment", slow),
    ):
        yield
