"""Batches for training and evaluation: made ahead in threads, and given to the backend."""

import statistics
import threading
import time
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data.decoding import THREADS, OrderedPrefetcher
from involbench.data.transforms import augment
from involbench.training.split import Split

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


class EvaluationBatches(keras.utils.PyDataset):
    """The batches of a split, in its order."""

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
    """The batches of the training split, shuffled again each epoch, and augmented.

    Order and augmentation only depend on (seed, epoch, batch), not on what was drawn before or in
    which thread. Where a training resumes in the middle of an epoch, batches are counted from
    batch `first` of the epoch.
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
        """The number of batches in an epoch."""
        return -(-len(self.split.labels) // self.batch_size) - self.first

    def make(self, epoch: int, index: int) -> Batch:
        """Make one batch; both are counted from 0. May be called in any thread."""
        place = self.first + index
        order = _order(self._seed, epoch, len(self.split.labels))
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        images = self.split.take(chosen)
        if self.augmentation:
            rng = np.random.default_rng((self._seed, epoch, place))
            images = augment(images, self.augmentation, rng)
        return images, self.split.labels[chosen]


@lru_cache(maxsize=2)  # The next epoch begins before this one's last batches are taken.
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.random.default_rng((seed, epoch)).permutation(count)
    return order


class DataStallMonitor(keras.callbacks.Callback):
    """Measures the share of the training time that steps wait for their batches.

    The training time of an epoch is from its beginning to the end of its last step, as in
    `EpochHistory`. A step waits from its request for a batch until the batch is made. (Keras waits
    for the device at the end of each step, so that the device is idle meanwhile, too.)
    """

    def __init__(self) -> None:
        super().__init__()
        self._shares: list[float] = []
        self._reset()

    @property
    def share(self) -> float | None:
        """Median over the epochs; None before the first has ended."""
        return statistics.median(self._shares) if self._shares else None

    def record_batch(self, requested: float | None, made: float) -> None:
        """Record when the next batch was requested, and made, by `time.perf_counter`.

        `requested` is None where that is when its step begins.
        """
        self._batches.append((requested, made))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._reset()
        self._began = self._ended = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._begun.append(time.perf_counter())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        waited = sum(
            max(0.0, made - (begun if requested is None else requested))
            for begun, (requested, made) in zip(self._begun, self._batches, strict=False)
        )
        self._shares.append(waited / (self._ended - self._began))

    def _reset(self) -> None:
        self._begun: list[float] = []
        self._batches: list[tuple[float | None, float]] = []


_MOST_BYTES = 2**28
"""Limit for the batches that are made ahead."""

_Place = tuple[int, int]
"""Epoch and batch, both counted from 0."""


class PreparedBatches(keras.utils.PyDataset):
    """The batches of several epochs, counted from 0, made ahead in background threads.

    Those of the next epoch are started while this one is validated. Use it in a `with`: its
    threads end there.
    """

    def __init__(self, batches: TrainingBatches, epochs: range, monitor: DataStallMonitor) -> None:
        super().__init__()
        self.batches, self.batch_size = batches, batches.batch_size
        self.split, self.image_shape = batches.split, batches.split.images.shape[1:]
        self._epochs, self._monitor = epochs, monitor
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
        """Begin an epoch: `take` gives its batches from now on."""
        with self._taking:
            self._epoch = epoch
            self._due = self._due or next(self._places, None)

    def take(self, index: int, requested: float | None = None) -> Batch:
        """A batch of the epoch, once it is made; see `DataStallMonitor.record_batch`."""
        place = self._epoch, int(index)
        with self._taking:  # An abandoned tf.data pipeline may still call this.
            if place == self._due:
                self._due = next(self._places, None)
                batch, made = next(self._made)
            else:  # Keras inspects some before the first epoch.
                batch, made = self._make(place)
            self._monitor.record_batch(requested, made)
        return batch

    def _all(self) -> Iterator[_Place]:
        return ((epoch, index) for epoch in self._epochs for index in range(len(self.batches)))

    def _make(self, place: _Place) -> tuple[Batch, float]:
        """A batch, and when it was made."""
        return self.batches.make(*place), time.perf_counter()


Batches = PreparedBatches | EvaluationBatches
"""What a model is trained on, or validated and tested on."""


def as_tensorflow_dataset(batches: Batches, replicas: int = 1) -> Any:
    """A `tf.data.Dataset` of the batches; of `PreparedBatches`, those of the current epoch.

    For each batch it takes a part of the time of a Python generator. That matters where a training
    step takes a few milliseconds. Where a `tf.distribute` strategy divides each batch among several
    replicas, each element is images, labels and shares: see `strategy.mirrored`.
    """
    import tensorflow as tf

    take = batches.take if isinstance(batches, PreparedBatches) else batches.__getitem__
    size = batches.batch_size
    # Where all batches have one size, it is part of the shape, which compilers can use.
    count = None if len(batches.split.labels) % size else size

    def load(index: Any) -> tuple[Any, Any]:
        # Not stateful: else it could not run ahead of the training under `enable_op_determinism`.
        # The batches are made in order in any case.
        images, labels = tf.numpy_function(take, [index], (tf.uint8, tf.int64), stateful=False)
        images.set_shape((count, *batches.image_shape))
        labels.set_shape((count,))
        return images, labels

    plain = tf.data.Options()
    plain.experimental_optimization.map_parallelization = False
    # There is nothing to tune, and the tuner can miss the end of the iteration: each epoch then
    # ends with a wait of half a second on one core.
    plain.autotune.enabled = False
    pipeline = tf.data.Dataset.range(len(batches)).map(load)
    if replicas > 1:
        pipeline = pipeline.map(partial(_divisible, replicas))
    return pipeline.prefetch(2).with_options(plain)


def _divisible(replicas: int, images: Any, labels: Any) -> tuple[Any, Any, Any]:
    """A batch that divides into equal parts, or else one copy of it for each replica.

    With the share that each copy has in an image. Its size is unknown, since TensorFlow divides
    batches of a known size by that size.
    """
    import tensorflow as tf

    whole = tf.shape(labels)[0] % replicas > 0
    copies = tf.where(whole, replicas, 1)
    some_images = tf.tile(images, (copies, 1, 1, 1))
    some_labels = tf.tile(labels, (copies,))
    return (
        some_images,
        some_labels,
        tf.ones_like(some_labels, tf.float32) / tf.cast(copies, "float32"),
    )
