"""The trained network of a run: loaded from its record, its predictions and its kernels.

`model.keras` may come from a stranger. So the network is built from the record, and only the
weights are read from the file: it can run no code. Keras reads HDF5, which can refer to other files
and declare sizes that fill the memory. So the weights are checked before Keras reads them.
"""

import math
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax

from involbench.data import Dataset
from involbench.data.dataset import balanced_subset
from involbench.data.decoding import ImageFiles, decode_files
from involbench.data.source import silent
from involbench.errors import DataError, UsageError
from involbench.layers.involution2d import Involution2D, involutions
from involbench.results.arrays import (
    MOST_BYTES,
    MOST_SAMPLE_IMAGES,
    ImageBatch,
    KernelMaps,
    LayerKernels,
    Predictions,
    sample_images_path,
    write_sample_images,
)
from involbench.results.files import opened_to_read
from involbench.results.limits import MODEL
from involbench.results.limits import scaled as scaled_limit
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, RunRecord
from involbench.schema_types import Resize
from involbench.training.evaluate import predict
from involbench.training.fit import Factors, build, scaled, with_scaling
from involbench.training.prefetch import EvaluationBatches
from involbench.training.provenance import make_reproducible
from involbench.training.split import Split

_MEMBER = "model.weights.h5"
_BYTES = 4
_COPIES = 8
"""At most so many numbers in a file for each weight: optimizers have some, too."""
_REST = 2**26
"""At most so many bytes of a file that are not weights."""
_OBJECTS = 200_000


def load_model(record: RunRecord, facts: DataFacts, weights: ResultsPath | None) -> keras.Model:
    """Build the network of a run, from scaled images to logits, and load its weights.

    Without `weights`, its model.keras, it is the network before its first step.

    Raises:
        SpecError: This version cannot build the network.
        UsageError: The weights are damaged, or of another network.
    """
    keras.backend.clear_session()
    make_reproducible(record.trial.seed, record.trial.training.deterministic)
    model = build(record.trial, facts.input_shape, len(facts.class_names))
    if weights is not None:
        try:
            _load_weights(model, weights)
        except Exception as error:  # Keras raises nearly anything on damaged input.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(
                f"{weights}: damaged, or of another version ({reason}); "
                "`involbench run --force` trains it again"
            ) from error
    return model


def scaling_factors(facts: DataFacts) -> tuple[Factors, Factors]:
    """Mean and standard deviation of each channel, by which the run scaled its images."""
    return np.array(facts.mean, np.float32), np.array(facts.std, np.float32)


def _load_weights(model: keras.Model, path: ResultsPath) -> None:
    """Set the weights of a built model to those in a `model.keras`.

    Raises:
        ResultsError: The file cannot be read.
        Exception: It is damaged, or of another network: Keras raises nearly anything.
    """
    numbers = sum(math.prod(weight.shape) for weight in model.weights)
    largest = scaled_limit(_REST) + _COPIES * _BYTES * numbers
    with tempfile.TemporaryDirectory(prefix="involbench-") as folder:
        copy = Path(folder, _MEMBER)
        with opened_to_read(path, MODEL) as file, zipfile.ZipFile(file) as archive:
            if archive.getinfo(_MEMBER).file_size > largest:
                raise ValueError("its weights are larger than those of the network")
            copy.write_bytes(archive.read(_MEMBER))
        with h5py.File(copy, "r") as content:
            _check(content, largest)
        with warnings.catch_warnings():
            # Without this, missing weights would stay random.
            warnings.filterwarnings("error", message="Skipping nested container")
            model.load_weights(copy)


def _check(file: h5py.File, largest: int) -> None:
    """Check that all data are in this file, and are not larger than `largest` bytes."""
    total = 0
    for count, dataset in enumerate(_datasets(file)):
        if dataset.external or dataset.is_virtual:
            raise ValueError("its weights are in other files")
        total += math.prod(dataset.shape or ()) * dataset.dtype.itemsize
        if total > largest or count > _OBJECTS:
            raise ValueError("its weights are larger than those of the network")


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """All datasets; each group is visited once, even if links form a cycle."""
    seen, pending = set[int](), [file]
    while pending:
        group = pending.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:
            continue
        seen.add(place)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError("it has links to other places")
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif isinstance(item, h5py.Dataset):
                yield item


_SEED = 0
"""For the choice of test images: all runs on the same data get the same ones."""


def read_image_files(files: Sequence[str], facts: DataFacts, how: Resize) -> ImageBatch:
    """Decode image files of any size, and resize them as the training images were.

    Raises:
        DataError: Some files are not images.
        UsageError: The network takes images with another number of channels than 1 or 3.
    """
    height, width, channels = facts.input_shape
    if channels not in (1, 3):
        raise UsageError(
            f"the network takes images of {channels} channels, but image files have 1 or 3",
            remedy="use --test N for its test images",
        )
    pixels, _ = decode_files(ImageFiles.of(Path.cwd(), files, (height, width), how), silent)
    return ImageBatch(tuple(files), pixels if channels == 3 else _grey(pixels), None)


def choose_test_images(
    dataset: Dataset, facts: DataFacts, count: int, chosen: Sequence[int] = ()
) -> ImageBatch:
    """The chosen test images, else `count` of them, balanced over the classes.

    Raises:
        DataError: The run was tested on another dataset.
    """
    if dataset.fingerprint != facts.fingerprint:
        raise DataError(
            f"{dataset.name} has changed since the run was tested on it: its fingerprint is "
            f"{dataset.fingerprint[:12]}, but the run recorded {facts.fingerprint[:12]}"
        )
    taken = np.array(chosen) if chosen else balanced_subset(dataset.y_test, count, _SEED)
    return _image_batch(dataset, taken)


def save_sample_images(experiment: ResultsPath, dataset: Dataset) -> None:
    """Save some test images of all classes in the folder of an experiment, unless it has them.

    Raises:
        ResultsError: The folder cannot be written.
    """
    path = sample_images_path(experiment, dataset.fingerprint)
    count = min(MOST_SAMPLE_IMAGES, len(dataset.y_test), MOST_BYTES // dataset.x_test[0].nbytes)
    if count and not path.exists():
        taken = balanced_subset(dataset.y_test, count, _SEED)
        write_sample_images(path, _image_batch(dataset, taken))


def _image_batch(dataset: Dataset, taken: NDArray[np.int64]) -> ImageBatch:
    names = tuple(str(index) for index in taken.tolist())
    return ImageBatch(names, dataset.x_test[taken], dataset.y_test[taken])


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, W, 3) -> (N, H, W, 1)."""
    grey = [np.asarray(Image.fromarray(image).convert("L")) for image in pixels]
    return np.stack(grey)[..., np.newaxis]


def predict_images(
    record: RunRecord, facts: DataFacts, weights: ResultsPath, images: ImageBatch
) -> Predictions:
    """Probabilities of the classes for images, by the network of a run.

    Raises:
        UsageError: See `load_model`.
    """
    model = with_scaling(load_model(record, facts, weights), *scaling_factors(facts))
    split = Split(images.pixels, np.zeros(len(images.pixels), np.int64))
    predictions = predict(model, EvaluationBatches(split, record.trial.training.batch_size))
    return Predictions(images, np.exp(predictions.log_probabilities))


def kernel_maps(
    record: RunRecord,
    facts: DataFacts,
    weights: ResultsPath | None,
    images: ImageBatch,
    pixel: tuple[int, int] | None = None,
) -> KernelMaps:
    """The kernels that the involution layers in the network of a run generate for images.

    Args:
        weights: The model.keras of the run; None for the network before its first step.
        pixel: Row and column in the images for which to return the kernels. In a layer with fewer
            pixels, the pixel that covers it counts.

    Raises:
        UsageError: The network has no involution layers; or see `load_model`.
    """
    maps = model_kernel_maps(load_model(record, facts, weights), facts, images, pixel)
    if maps is None:
        name = record.trial.architecture.architecture
        raise UsageError(
            f"{record.run_id}: {name} has no involution layer, so it generates no kernels"
        )
    return maps


def model_kernel_maps(
    model: keras.Model, facts: DataFacts, images: ImageBatch, pixel: tuple[int, int] | None = None
) -> KernelMaps | None:
    """The kernels that a network of scaled images generates; None without involution layers.

    See `kernel_maps`.
    """
    layers = involutions(model)
    if not layers:
        return None
    features = keras.Model(model.inputs, [layer.input for layer in layers])
    outputs = features(scaled(images.pixels, *scaling_factors(facts)), training=False)
    inputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    kernels = [
        _layer_kernels(layer, _kernel_twin(layer)(x, training=False)[1], facts, pixel)
        for layer, x in zip(layers, inputs, strict=True)
    ]
    return KernelMaps(images, tuple(kernels))


def _kernel_twin(layer: Involution2D) -> Involution2D:
    """A layer with the same weights that also returns its kernels."""
    name = f"{layer.name}_kernels"
    twin = Involution2D.from_config({**layer.get_config(), "name": name, "return_kernels": True})
    twin.build(layer.input.shape)
    twin.set_weights(layer.get_weights())
    return twin


def _layer_kernels(
    layer: Involution2D, kernels: Any, facts: DataFacts, pixel: tuple[int, int] | None
) -> LayerKernels:
    values = keras.ops.convert_to_numpy(keras.ops.cast(kernels, "float32"))
    if layer.data_format == "channels_first":
        values = values.transpose(0, 3, 4, 1, 2)
    images, height, width, groups, _ = values.shape
    at_pixel = None
    if pixel is not None:
        row = pixel[0] * height // facts.input_shape[0]
        column = pixel[1] * width // facts.input_shape[1]
        at_pixel = values[:, row, column].reshape(images, groups, *layer.kernel_size)
    return LayerKernels(layer.name, layer.kernel_size, values.sum(axis=-1), at_pixel)


class NetworkInspector:
    """The network of a run, built and compiled once to be given many images.

    Args:
        record, facts, weights: See `load_model`.
    """

    def __init__(self, record: RunRecord, facts: DataFacts, weights: ResultsPath | None) -> None:
        model, self._facts = load_model(record, facts, weights), facts
        self._layers = involutions(model)
        kernels = [_kernel_twin(layer)(layer.input)[1] for layer in self._layers]
        both = keras.Model(model.inputs, [model.outputs[0], *kernels])
        self._model = with_scaling(both, *scaling_factors(facts))

    def inspect(
        self, images: ImageBatch, pixel: tuple[int, int]
    ) -> tuple[Predictions, KernelMaps | None]:
        """The predictions for a few images, and the kernels; None without involution layers."""
        outputs = self._model.predict_on_batch(images.pixels)
        logits, *kernels = outputs if isinstance(outputs, list | tuple) else [outputs]
        predictions = Predictions(images, softmax(logits.astype(np.float64), axis=1))
        layers = [
            _layer_kernels(layer, values, self._facts, pixel)
            for layer, values in zip(self._layers, kernels, strict=True)
        ]
        return predictions, KernelMaps(images, tuple(layers)) if layers else None
