"""Involution against the keras.io formulation (patches, multiply, sum): forward and gradients.

Every repeat times both, one after the other, in one process; the ratio is taken within a repeat.
Run from the repository:  python -m benchmarks.involution
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from statistics import geometric_mean, median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from involbench.ops import involution

# batch, height, width, channels, kernel size, groups
SHAPES = [
    (256, 32, 32, 3, 3, 1),
    (64, 32, 32, 64, 3, 4),
    (32, 32, 32, 64, 7, 4),
    (16, 16, 16, 256, 7, 16),
    (8, 56, 56, 64, 7, 4),
]


def naive(inputs: tf.Tensor, kernels: tf.Tensor, size: int, groups: int, layout: str) -> tf.Tensor:
    """The keras.io layer's arithmetic, from kernels in our order, (B, H, W, groups, size**2)."""
    batch, (height, width, channels) = tf.shape(inputs)[0], inputs.shape[1:]
    window, ones = [1, size, size, 1], [1, 1, 1, 1]
    patches = tf.image.extract_patches(inputs, window, ones, ones, "SAME")
    members = channels // groups
    pair, factor = ((groups, members), -1) if layout == "contiguous" else ((members, groups), -2)
    patches = tf.reshape(patches, (batch, height, width, size * size, *pair))
    kernels = tf.expand_dims(tf.transpose(kernels, (0, 1, 2, 4, 3)), factor)
    summed = tf.reduce_sum(kernels * patches, axis=3)
    return tf.reshape(summed, (batch, height, width, channels))


def with_gradients(function: Callable[..., tf.Tensor]) -> Callable[..., list[tf.Tensor]]:
    def run(inputs: tf.Tensor, kernels: tf.Tensor, upstream: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([inputs, kernels])
            result = function(inputs, kernels)
        return [result, *tape.gradient(result, [inputs, kernels], output_gradients=upstream)]

    return run


def seconds(function: Callable[[], list[tf.Tensor]]) -> float:
    start = time.perf_counter()
    for tensor in function():  # Reading one number waits for the whole tensor.
        tf.reshape(tensor, [-1])[0].numpy()
    return time.perf_counter() - start


def compare(
    shape: tuple[int, ...], repeats: int, batch_known: bool, layout: str
) -> dict[str, list[float]]:
    batch, height, width, channels, size, groups = shape
    inputs = tf.random.normal((batch, height, width, channels))
    kernels = tf.random.normal((batch, height, width, groups, size * size))
    upstream = tf.random.normal((batch, height, width, channels))
    tensors = [inputs, kernels, upstream]
    known = batch if batch_known else None
    signature = [tf.TensorSpec((known, *tensor.shape[1:])) for tensor in tensors]

    def ours(x: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
        return involution(x, h, size, groups=groups, group_layout=layout)

    def theirs(x: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
        return naive(x, h, size, groups, layout)

    functions = {}
    for name, function in (("naive", theirs), ("ours", ours)):
        functions[f"{name} forward"] = tf.function(
            lambda x, h, dy, function=function: [function(x, h)], signature, autograph=False
        )
        functions[f"{name} both"] = tf.function(
            with_gradients(function), signature, autograph=False
        )
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for name, function in functions.items():
        start = time.perf_counter()
        function(*tensors)
        taken[f"{name} first"] = [time.perf_counter() - start]
    first, second = (functions[f"{name} both"](*tensors) for name in ("naive", "ours"))
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)
    for _ in range(repeats):
        for name, function in functions.items():
            taken[name].append(seconds(lambda function=function: function(*tensors)))
    return taken


def line(shape: tuple[int, ...], taken: dict[str, list[float]], part: str) -> tuple[str, float]:
    naive_times, our_times = taken[f"naive {part}"], taken[f"ours {part}"]
    ratios = sorted(a / b for a, b in zip(naive_times, our_times, strict=True))
    text = (
        f"{shape!s:26} {part:8} naive {median(naive_times) * 1e3:7.1f} ms   "
        f"ours {median(our_times) * 1e3:6.1f} ms   ratio {median(ratios):5.1f} "
        f"({ratios[0]:.1f} to {ratios[-1]:.1f})   first call {taken[f'ours {part} first'][0]:.2f} s"
    )
    return text, median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--unknown-batch", action="store_true", help="trace with batch None")
    parser.add_argument("--group-layout", default="contiguous")
    options = parser.parse_args()
    print(
        f"tensorflow {tf.__version__}, python {platform.python_version()}, {os.cpu_count()} cores, "
        f"median of {options.repeats} repeats in alternation; both = forward and both gradients"
    )
    ratios: dict[str, list[float]] = {"forward": [], "both": []}
    for shape in SHAPES:
        taken = compare(shape, options.repeats, not options.unknown_batch, options.group_layout)
        for part, values in ratios.items():
            text, ratio = line(shape, taken, part)
            values.append(ratio)
            print(text, flush=True)
    for part, values in ratios.items():
        print(f"geometric mean, {part}: {geometric_mean(values):.1f}")


if __name__ == "__main__":
    main()
