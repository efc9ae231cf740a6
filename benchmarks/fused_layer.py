"""Time the involution layer with fused and with stored kernels, beside a 3x3 convolution.

Computes the result and all gradients of the layer at six shapes, in alternation in one process.
Then trains three networks, fused and stored, from the same weights on the same images: their losses
may differ by rounding alone. Works with every Keras backend.
Run: python -m benchmarks.fused_layer [--repeats 15] [--steps 50]
"""

import argparse
import time
from pathlib import Path
from statistics import geometric_mean, median, quantiles
from typing import Any

import numpy as np

SHAPES = (
    ((64, 32, 32, 32), 3, 32, "softmax"),
    ((64, 16, 16, 64), 3, 64, "softmax"),
    ((32, 32, 32, 64), 7, 4, None),
    ((32, 16, 16, 128), 7, 8, None),
    ((32, 8, 8, 256), 7, 16, None),
    ((64, 32, 32, 64), 3, 4, None),
)
BATCH = 32
NETWORKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("pythonguides_inn", {}),
    ("residual_involution", {"num_layers": 8, "width": 32}),
    ("rednet", {"depth": 26, "width": 32}),
)


def main() -> None:
    """Print a line for each shape and each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    from involbench.benchmark.measurement import this_machine

    machine, info = this_machine(), Path("/proc/cpuinfo")
    vectors = info.exists() and "avx512f" in info.read_text()
    print(
        f"{machine.hardware.cpu}, {machine.hardware.cores} cores, "
        f"{'with' if vectors else 'without'} AVX-512; backend {machine.versions['backend']}; "
        f"medians of {options.repeats} repeats in alternation, ms; ratios with their quartiles"
    )
    print("shape, kernel size, groups, activation: stored | fused | convolution | ratios")
    ratios = [_time(*shape, options.repeats) for shape in SHAPES]
    print(f"stored/fused: geometric mean {geometric_mean(ratios):.2f}, least {min(ratios):.2f}")
    for name, arguments in NETWORKS:
        result = _train(name, arguments, options.steps)
        print(f"{name}, {options.steps} steps of {BATCH} images: {result}", flush=True)


def _time(
    images: tuple[int, ...], size: int, groups: int, activation: str | None, repeats: int
) -> float:
    """Print the times at one shape, and return the median of stored / fused."""
    import keras

    from involbench.benchmark.backends import backend_in_use
    from involbench.benchmark.measurement import seconds
    from involbench.layers import Involution2D

    data_format = backend_in_use().data_format
    shared = {"groups": groups, "kernel_activation": activation, "data_format": data_format}
    layers = {
        "stored": Involution2D(size, **shared, fused=False),
        "fused": Involution2D(size, **shared, fused=True),
        "convolution": keras.layers.Conv2D(images[3], 3, padding="same", data_format=data_format),
    }
    cases = {name: _case(layer, images) for name, layer in layers.items()}
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        seconds(case)
        seconds(case)
    for repeat in range(repeats):
        for name in cases if repeat % 2 else reversed(cases):
            taken[name].append(seconds(cases[name]))

    def ratio(slow: str, fast: str) -> tuple[float, str]:
        each = [a / b for a, b in zip(taken[slow], taken[fast], strict=True)]
        low, middle, high = quantiles(each, n=4, method="inclusive")
        return middle, f"{slow}/{fast} {middle:.2f} ({low:.2f} to {high:.2f})"

    faster, text = ratio("stored", "fused")
    times = " | ".join(f"{1e3 * median(each):.1f}" for each in taken.values())
    settings = f"{images}, {size}, {groups}, {activation}"
    print(f"{settings}: {times} | {text}, {ratio('fused', 'convolution')[1]}", flush=True)
    return faster


def _case(layer: Any, images: tuple[int, ...]) -> Any:
    """A call of the layer in training, with its gradients by the images and all weights."""
    import keras

    from involbench.benchmark.operator import layer_cases

    rng = np.random.default_rng(0)
    if layer.data_format == "channels_first":
        images = images[0], images[3], *images[1:3]
    x, upstream = (
        keras.ops.convert_to_tensor(rng.standard_normal(images, np.float32)) for _ in range(2)
    )
    return layer_cases(layer, x, upstream)["forward_and_gradients"]


def _train(name: str, arguments: dict[str, Any], steps: int) -> str:
    """Train a network stored and fused, step by step in turn, and compare losses and times."""
    import keras

    from involbench import ops
    from involbench.models import build_model

    rng = np.random.default_rng(0)
    choices = {"stored": ops.disable_fused_involution, "fused": ops.enable_fused_involution}
    models, losses, taken = {}, {key: [] for key in choices}, {key: [] for key in choices}
    for key in choices:
        keras.utils.set_random_seed(0)
        models[key] = build_model(name, (32, 32, 3), 10, **arguments)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        models[key].compile(keras.optimizers.SGD(1e-4), loss)
    for step in range(steps):
        x, y = rng.random((BATCH, 32, 32, 3), np.float32), rng.integers(0, 10, BATCH)
        for key in choices if step % 2 else reversed(choices):
            choices[key]()
            start = time.perf_counter()
            losses[key].append(float(models[key].train_on_batch(x, y)))
            taken[key].append(time.perf_counter() - start)
    apart = np.abs(np.subtract(*losses.values()))
    ratio = median(a / b for a, b in zip(*(each[1:] for each in taken.values()), strict=True))
    return (
        f"stored/fused {ratio:.2f}; losses at most {apart.max():.1e} apart, at the last step "
        f"{apart[-1]:.1e} of {losses['stored'][-1]:.4f}"
    )


if __name__ == "__main__":
    main()
