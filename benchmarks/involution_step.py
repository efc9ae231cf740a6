"""A training step of the keras.io INN on the keras.io layer (patches) against ours.

Both networks start from the same weights and see the same batches; steps are timed in alternation
in one process, and the losses compared step by step.
Run from the repository:  python -m benchmarks.involution_step
"""

import argparse
import os
import platform
import time
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.involution import naive
from involbench.layers import Involution2D
from involbench.models import build_model

BATCH = 256


class PatchesInvolution2D(Involution2D):
    """The same layer, with the keras.io example's patches in place of our operator."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        flat = inputs
        for layer in (self.reduce, self.normalization, keras.layers.ReLU(), self.span):
            is_norm = layer is self.normalization
            flat = layer(flat, training=training) if is_norm else layer(flat)
        shape = (tf.shape(inputs)[0], *inputs.shape[1:3], 1, self.kernel_size[0] ** 2)
        return naive(inputs, tf.reshape(flat, shape), self.kernel_size[0], 1, "interleaved")


def build(cls: type[Involution2D]) -> keras.Model:
    from involbench.models import keras_io

    keras.utils.set_random_seed(0)
    keras_io.Involution2D = cls  # type: ignore[misc]
    model = build_model("keras_io_inn", (32, 32, 3), 10)
    keras_io.Involution2D = Involution2D  # type: ignore[misc]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def step(model: keras.Model, x: Any, y: Any) -> tuple[float, float]:
    """Seconds and loss of one step."""
    start = time.perf_counter()
    loss = float(model.train_on_batch(x, y)[0])
    return time.perf_counter() - start, loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    steps = parser.parse_args().steps
    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((BATCH, 32, 32, 3), np.float32))
    y = tf.constant(np.arange(BATCH) % 10)
    models = {"naive": build(PatchesInvolution2D), "ours": build(Involution2D)}
    models["control"] = build_model("keras_io_control", (32, 32, 3), 10)
    models["control"].compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    models["ours"].set_weights(models["naive"].get_weights())
    first = {name: step(model, x, y) for name, model in models.items()}
    taken: dict[str, list[float]] = {name: [] for name in models}
    losses: dict[str, list[float]] = {name: [first[name][1]] for name in models}
    for _ in range(steps - 1):
        for name, model in models.items():
            seconds, loss = step(model, x, y)
            taken[name].append(seconds)
            losses[name].append(loss)
    print(
        f"tensorflow {tf.__version__}, python {platform.python_version()}, {os.cpu_count()} cores"
    )
    for name, times in taken.items():
        print(
            f"{name:8} first step {first[name][0]:.2f} s, "
            f"then median {median(times) * 1e3:.1f} ms "
            f"({min(times) * 1e3:.1f} to {max(times) * 1e3:.1f})"
        )
    ratios = sorted(a / b for a, b in zip(taken["naive"], taken["ours"], strict=True))
    apart = np.max(np.abs(np.subtract(losses["naive"], losses["ours"])))
    print(f"ratio {median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})")
    print(f"losses at most {apart:.2g} apart over {steps} steps")


if __name__ == "__main__":
    main()
