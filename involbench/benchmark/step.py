"""Training steps of the keras.io INN: with the published layer, with ours, without any."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from involbench.benchmark.backends import backend_in_use
from involbench.benchmark.measurement import this_machine
from involbench.errors import InvolbenchError
from involbench.layers import Involution2D
from involbench.models import build_model
from involbench.results.benchmarks import NETWORKS, Network, NetworkSteps, StepTimes


class PatchesInvolution2D(layers.Layer):
    """The keras.io example's layer at stride 1 with one group: a generator, then patches.

    Its weights have the shapes and the order of those of `Involution2D`.

    Reference: https://keras.io/examples/vision/involution/ (A. R. Gosthipaty and R. Raha, 2021).
    """

    def __init__(self, kernel_size: int, reduction_ratio: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size, self.reduction_ratio = kernel_size, reduction_ratio

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1] or 0
        self.generator = keras.Sequential(
            [
                layers.Conv2D(channels // self.reduction_ratio, 1),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Conv2D(self.kernel_size**2, 1),
            ]
        )
        self.generator.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        kernels = ops.expand_dims(self.generator(inputs, training=training), 3)
        backend = backend_in_use()
        if backend.data_format == "channels_last":
            return backend.patches(inputs, kernels, self.kernel_size, 1)
        images, kernels = ops.moveaxis(inputs, 3, 1), ops.moveaxis(kernels, (3, 4), (1, 2))
        return ops.moveaxis(backend.patches(images, kernels, self.kernel_size, 1), 1, 3)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        return input_shape


BATCH_SIZE = 256
IMAGE_SHAPE = (32, 32, 3)
_CLASSES = 10
_TOLERANCE = 1e-4


def time_steps(repeats: int, progress: Callable[[int, int], None]) -> StepTimes:
    """Train the networks in alternation, step by step, on one batch of random images.

    The two INNs start with the same weights. Each network makes `repeats` steps after the first.

    Raises:
        InvolbenchError: The first losses of the INNs differ.
    """
    models = _models()
    rng = np.random.default_rng(0)
    x = keras.ops.convert_to_tensor(rng.random((BATCH_SIZE, *IMAGE_SHAPE), np.float32))
    y = keras.ops.convert_to_tensor(np.arange(BATCH_SIZE) % _CLASSES)
    taken: dict[Network, list[float]] = {name: [] for name in NETWORKS}
    losses: dict[Network, list[float]] = {name: [] for name in NETWORKS}
    for repeat in range(repeats + 1):
        progress(repeat, repeats + 1)
        for name in NETWORKS if repeat % 2 else reversed(NETWORKS):
            seconds, loss = _step(models[name], x, y)
            taken[name].append(seconds)
            losses[name].append(loss)
        if repeat == 0:
            _require_equal(losses["involution"][0], losses["patches"][0])
    return StepTimes(
        batch_size=BATCH_SIZE,
        image_shape=IMAGE_SHAPE,
        patches=backend_in_use().patches_name,
        networks={
            name: NetworkSteps(
                first_step_seconds=taken[name][0],
                seconds=tuple(taken[name][1:]),
                losses=tuple(losses[name]),
            )
            for name in NETWORKS
        },
        machine=this_machine(),
    )


def _models() -> dict[Network, keras.Model]:
    keras.utils.set_random_seed(0)
    ours = build_model("keras_io_inn", IMAGE_SHAPE, _CLASSES)
    theirs = keras.models.clone_model(ours, clone_function=_with_patches)
    theirs.set_weights(ours.get_weights())
    control = build_model("keras_io_control", IMAGE_SHAPE, _CLASSES)
    models: dict[Network, keras.Model] = {
        "patches": theirs,
        "involution": ours,
        "control": control,
    }
    for model in models.values():
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
    return models


def _with_patches(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, Involution2D):
        return PatchesInvolution2D(layer.kernel_size[0], layer.reduction_ratio, name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def _step(model: keras.Model, x: Any, y: Any) -> tuple[float, float]:
    """Seconds and loss of one step; reading the loss waits for it."""
    model.reset_metrics()  # Else the loss would be the mean over all steps so far.
    start = time.perf_counter()
    loss = float(model.train_on_batch(x, y)[0])
    return time.perf_counter() - start, loss


def _require_equal(ours: float, theirs: float) -> None:
    if not abs(ours - theirs) <= _TOLERANCE * abs(theirs):
        raise InvolbenchError(
            f"with the same weights, the loss is {ours:.6f} with our layer and {theirs:.6f} with "
            "the published one, so times cannot be compared; please report this"
        )
