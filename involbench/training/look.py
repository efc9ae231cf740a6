"""A trained network and images -> its answers, and the kernels that it makes for them."""

from typing import Any

import keras
import numpy as np

from involbench.errors import UsageError
from involbench.layers import Involution2D
from involbench.results.looking import Answers, KernelMaps, LayerKernels, Pictures
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, RunRecord
from involbench.training.batches import EvaluationBatches
from involbench.training.evaluate import predict
from involbench.training.fit import scaled, with_scaling
from involbench.training.split import Split
from involbench.training.trained import factors, restored


def answers(
    record: RunRecord, facts: DataFacts, weights: ResultsPath, pictures: Pictures
) -> Answers:
    """What the network of a run says of images.

    Raises:
        UsageError: See `restored`.
    """
    model = with_scaling(restored(record, facts, weights), *factors(facts))
    split = Split(pictures.pixels, np.zeros(len(pictures.pixels), np.int64))
    predictions = predict(model, EvaluationBatches(split, record.trial.training.batch_size))
    return Answers(pictures, np.exp(predictions.log_probabilities))


def kernel_maps(
    record: RunRecord,
    facts: DataFacts,
    weights: ResultsPath | None,
    pictures: Pictures,
    pixel: tuple[int, int] | None = None,
) -> KernelMaps:
    """What kernels the involution layers of a run's network make for images.

    Args:
        record: The run's.
        facts: What the run saw of its dataset.
        weights: Its model.keras; None for the network before its first step.
        pictures: The images.
        pixel: Row and column in the images where the kernels themselves are wanted. A layer with
            fewer pixels gives those of its pixel that covers it.

    Raises:
        UsageError: It has no such layers; or see `restored`.
    """
    maps = maps_of(restored(record, facts, weights), facts, pictures, pixel)
    if maps is None:
        name = record.trial.architecture.architecture
        raise UsageError(f"{record.run_id}: {name} has no involution layer, so it makes no kernels")
    return maps


def maps_of(
    model: keras.Model, facts: DataFacts, pictures: Pictures, pixel: tuple[int, int] | None = None
) -> KernelMaps | None:
    """What kernels a network makes for images; None where it has no involution layers.

    Args:
        model: From scaled images to logits.
        facts: By which the images are scaled.
        pictures: The images.
        pixel: As for `kernel_maps`.
    """
    layers = [layer for layer in model.layers if isinstance(layer, Involution2D)]
    if not layers:
        return None
    features = keras.Model(model.inputs, [layer.input for layer in layers])
    outputs = features(scaled(pictures.pixels, *factors(facts)), training=False)
    reached = outputs if isinstance(outputs, list | tuple) else [outputs]
    found = [
        _kernels(layer, x, facts.input_shape[:2], pixel)
        for layer, x in zip(layers, reached, strict=True)
    ]
    return KernelMaps(pictures, tuple(found))


def _kernels(
    layer: Involution2D, x: Any, size: tuple[int, int], pixel: tuple[int, int] | None
) -> LayerKernels:
    twin = Involution2D.from_config({**layer.get_config(), "return_kernels": True})
    twin.build(keras.ops.shape(x))
    twin.set_weights(layer.get_weights())
    _, kernels = twin(x, training=False)
    values = keras.ops.convert_to_numpy(keras.ops.cast(kernels, "float32"))
    if layer.data_format == "channels_first":
        values = values.transpose(0, 3, 4, 1, 2)
    images, height, width, groups, _ = values.shape
    here = None
    if pixel is not None:
        row, column = pixel[0] * height // size[0], pixel[1] * width // size[1]
        here = values[:, row, column].reshape(images, groups, *layer.kernel_size)
    return LayerKernels(layer.name, layer.kernel_size, values.sum(axis=-1), here)
