"""A finished run -> its network, its answers to images, and its kernels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from involbench.data import Dataset
from involbench.data.dataset import balanced_subset
from involbench.data.decoding import ImageFiles, decode_files
from involbench.data.resize import Resize
from involbench.data.source import silent
from involbench.errors import DataError, UsageError
from involbench.layers import Involution2D
from involbench.results.arrays import (
    MOST_BYTES,
    MOST_PICTURES,
    ImageBatch,
    KernelMaps,
    LayerKernels,
    Predictions,
    pictures_path,
    write_pictures,
)
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, RunRecord
from involbench.training.evaluate import predict
from involbench.training.fit import Factors, build, scaled, with_scaling
from involbench.training.prefetch import EvaluationBatches
from involbench.training.provenance import make_reproducible
from involbench.training.split import Split
from involbench.training.weights import load_weights


def restored(record: RunRecord, facts: DataFacts, weights: ResultsPath | None) -> keras.Model:
    """Build the network that the run trained.

    It is built from the record, and only the weights are read: a file can run no code this way.

    Args:
        record: The run's.
        facts: What the run saw of its dataset.
        weights: Its model.keras; None for the network before its first step.

    Returns:
        A model from scaled images to logits.

    Raises:
        SpecError: This version cannot build it.
        UsageError: The weights are damaged, or another network's.
    """
    keras.backend.clear_session()
    make_reproducible(record.trial.seed, record.trial.training.deterministic)
    model = build(record.trial, facts.input_shape, len(facts.class_names))
    if weights is not None:
        try:
            load_weights(model, weights)
        except Exception as error:  # Keras raises nearly anything on damaged input.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(
                f"{weights}: damaged, or another version's ({reason}); "
                "`involbench run --force` trains it again"
            ) from error
    return model


def factors(facts: DataFacts) -> tuple[Factors, Factors]:
    """Mean and standard deviation by which the run scaled its images, a channel."""
    return np.array(facts.mean, np.float32), np.array(facts.std, np.float32)


_SEED = 0
"""Of the choice of test images, so that every run on the same data is shown the same ones."""


def own_pictures(files: Sequence[str], facts: DataFacts, how: Resize) -> ImageBatch:
    """Decode image files of any size, resized as the run's training images were.

    Raises:
        DataError: Some are no images.
        UsageError: The network takes pixels of a kind that no file is turned into.
    """
    height, width, channels = facts.input_shape
    if channels not in (1, 3):
        raise UsageError(
            f"the network takes images of {channels} channels, which image files do not have",
            remedy="use --test N for its test images",
        )
    pixels, _ = decode_files(ImageFiles.of(Path.cwd(), files, (height, width), how), silent)
    return ImageBatch(tuple(files), pixels if channels == 3 else _grey(pixels), None)


def tested_pictures(
    dataset: Dataset, facts: DataFacts, count: int, chosen: Sequence[int] = ()
) -> ImageBatch:
    """Test images: the chosen ones, else `count` of them, of all classes in turn.

    Raises:
        DataError: The dataset is not the one that the run was tested on.
    """
    if dataset.fingerprint != facts.fingerprint:
        raise DataError(
            f"{dataset.name} is no longer what the run was tested on: its fingerprint is "
            f"{dataset.fingerprint[:12]}, that of the run's images {facts.fingerprint[:12]}"
        )
    taken = np.array(chosen) if chosen else balanced_subset(dataset.y_test, count, _SEED)
    return _pictures(dataset, taken)


def keep_pictures(experiment: ResultsPath, dataset: Dataset) -> None:
    """Keep some test images of all classes in an experiment's folder, unless it has them.

    Raises:
        ResultsError: The folder cannot be written.
    """
    path = pictures_path(experiment, dataset.fingerprint)
    count = min(MOST_PICTURES, len(dataset.y_test), MOST_BYTES // dataset.x_test[0].nbytes)
    if count and not path.exists():
        taken = balanced_subset(dataset.y_test, count, _SEED)
        write_pictures(path, _pictures(dataset, taken))


def _pictures(dataset: Dataset, taken: NDArray[np.int64]) -> ImageBatch:
    names = tuple(str(index) for index in taken.tolist())
    return ImageBatch(names, dataset.x_test[taken], dataset.y_test[taken])


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, W, 3) -> (N, H, W, 1)."""
    grey = [np.asarray(Image.fromarray(image).convert("L")) for image in pixels]
    return np.stack(grey)[..., np.newaxis]


def answers(
    record: RunRecord, facts: DataFacts, weights: ResultsPath, pictures: ImageBatch
) -> Predictions:
    """What the network of a run says of images.

    Raises:
        UsageError: See `restored`.
    """
    model = with_scaling(restored(record, facts, weights), *factors(facts))
    split = Split(pictures.pixels, np.zeros(len(pictures.pixels), np.int64))
    predictions = predict(model, EvaluationBatches(split, record.trial.training.batch_size))
    return Predictions(pictures, np.exp(predictions.log_probabilities))


def kernel_maps(
    record: RunRecord,
    facts: DataFacts,
    weights: ResultsPath | None,
    pictures: ImageBatch,
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
    model: keras.Model, facts: DataFacts, pictures: ImageBatch, pixel: tuple[int, int] | None = None
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
