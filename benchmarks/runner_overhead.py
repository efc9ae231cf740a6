"""The overhead of the runner: a training step of `involbench run` relative to one of `model.fit`.

Two processes train one epoch each in turn: one prepares batches, seeds and records as a worker of
the runner does, the other calls `model.fit` on float32 arrays. The time of a step is the median
over an epoch. Run: python -m benchmarks.runner_overhead [N]
"""

import itertools
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

IMAGES, BATCH = 5000, 256  # As in CIFAR-10, the last batch is smaller.


def main() -> None:
    """Print, for the CNN and the INN, the ratio pair by pair."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"images 32x32x3, batch {BATCH}, {-(-IMAGES // BATCH)} steps a turn, {turns} turns each")
    for architecture in ("keras_io_cnn", "keras_io_inn"):
        ours, bare = (_start(kind, architecture) for kind in (_like_the_runner, _bare))
        rows = [(_turn(ours), _turn(bare)) for _ in range(turns + 1)][1:]
        ratios = statistics.quantiles([a / b for a, b in rows], n=4)
        medians = [1000 * statistics.median(column) for column in zip(*rows, strict=True)]
        print(
            f"{architecture}: step {medians[0]:.1f} ms in the runner, {medians[1]:.1f} ms in "
            f"model.fit; ratio median {ratios[1]:.3f} (quartiles {ratios[0]:.3f}, {ratios[2]:.3f})"
        )
        ours.send(False), bare.send(False)


def _start(kind: Callable[[str], Callable[[Any], None]], architecture: str) -> Connection:
    from involbench.workers.environment import USUAL

    for name, value in USUAL.items():
        os.environ.pop(name, None)
        if kind is _like_the_runner:
            os.environ[name] = value
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    context.Process(target=_serve, args=(far, kind, architecture), daemon=True).start()
    return near


def _turn(process: Connection) -> float:
    process.send(True)
    return float(process.recv())


def _serve(process: Connection, kind: Callable[..., Any], architecture: str) -> None:
    """Train one epoch for each request, and send the median seconds of a step."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow logs to stderr.
    import keras

    class Steps(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.ends = [time.perf_counter()]

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends.append(time.perf_counter())

    train, steps = kind(architecture), Steps()
    while process.recv():
        train([steps])
        process.send(float(np.median(np.diff(steps.ends))))


def _images() -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), np.uint8)
    return images, np.arange(IMAGES) % 10


def _like_the_runner(architecture: str) -> Callable[[Any], None]:
    from involbench.training.callbacks import EpochHistory
    from involbench.training.fit import with_scaling
    from involbench.training.prefetch import DataStallMonitor, PreparedBatches, TrainingBatches
    from involbench.training.provenance import make_reproducible
    from involbench.training.split import Split, TrialData
    from involbench.training.strategy import SingleDevice

    make_reproducible(0)
    split = Split(*_images())
    data = TrialData(split, split, split, np.zeros(3, np.float32), np.ones(3, np.float32))
    model = with_scaling(_built(architecture), data.mean, data.std)
    _compile(model)
    history, wait = EpochHistory(1, IMAGES, lambda report: None), DataStallMonitor()
    batches = TrainingBatches(split, BATCH, seed=0)
    prepared = PreparedBatches(batches, range(1_000_000), wait)
    inputs, epochs = SingleDevice().inputs(prepared), itertools.count()

    def train(callbacks: list[Any]) -> None:
        prepared.start_epoch(next(epochs))
        model.fit(inputs, shuffle=False, verbose=0, callbacks=[wait, history, *callbacks])

    return train


def _bare(architecture: str) -> Callable[[Any], None]:
    images, labels = _images()
    scaled, model = images.astype(np.float32) / 255, _built(architecture)
    _compile(model)
    return lambda callbacks: model.fit(scaled, labels, BATCH, verbose=0, callbacks=callbacks)


def _built(architecture: str) -> Any:
    from involbench.models import build_model

    return build_model(architecture, (32, 32, 3), 10)


def _compile(model: Any) -> None:
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])


if __name__ == "__main__":
    main()
