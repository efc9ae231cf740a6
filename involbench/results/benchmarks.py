"""Results of benchmarks and exports, and their files."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from involbench.errors import ResultsError
from involbench.results.files import read_bytes, write_json
from involbench.results.limits import RECORD
from involbench.results.paths import ResultsPath
from involbench.results.record import Count, Hardware, Record

Part = Literal["forward", "forward_and_gradients"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The result only, or also the gradients by all arguments."""

Implementation = Literal[
    "involution", "patches", "unfold", "depthwise", "conv3x3", "layer", "fused_layer"
]
"""Our operator, the published algorithm, two convolutions for comparison, and the whole layer.

`unfold` is the published algorithm in PyTorch, if that is installed beside another backend. `layer`
generates the kernels and stores them, `fused_layer` does not store them, where that is possible.
"""

Network = Literal["patches", "involution", "control"]
NETWORKS: tuple[Network, ...] = get_args(Network)
"""The keras.io INN on the published layer, on ours, and with the involutions left out."""

_FLOAT32_BYTES = 4


class OperatorShape(Record):
    """The input shape and settings of an involution."""

    batch: int
    height: int
    width: int
    channels: int
    kernel_size: int
    groups: int

    def __str__(self) -> str:
        """In the format of the command line."""
        return ",".join(str(value) for value in self.model_dump().values())

    @property
    def image_bytes(self) -> int:
        """Bytes of the images in float32, and also of the result."""
        return _FLOAT32_BYTES * self.batch * self.height * self.width * self.channels

    @property
    def kernels_bytes(self) -> int:
        """Bytes of the kernels in float32."""
        taps = self.kernel_size**2
        return _FLOAT32_BYTES * math.prod((self.batch, self.height, self.width, self.groups, taps))

    @property
    def patches_bytes(self) -> int:
        """Bytes of all patches in float32, which the published algorithm materializes."""
        return self.image_bytes * self.kernel_size**2

    @property
    def reduced(self) -> int:
        """Reduced features from which the layers generate their kernels."""
        return max(self.channels // 4, 1)

    def weights_bytes(self, form: Implementation) -> int:
        """Bytes of the kernels of an involution, or of the weights, in float32."""
        match form:
            case "depthwise":
                return _FLOAT32_BYTES * self.channels * self.kernel_size**2
            case "conv3x3":
                return _FLOAT32_BYTES * 9 * self.channels**2
            case "layer" | "fused_layer":
                # Both convolutions, the second with a bias, and two numbers for normalization.
                filters = self.groups * self.kernel_size**2
                features = self.channels + 2 + filters
                return _FLOAT32_BYTES * (self.reduced * features + filters)
            case "involution" | "patches" | "unfold":
                return self.kernels_bytes

    def floor_bytes(self, form: Implementation, part: Part) -> int:
        """The least memory traffic: every argument and every result once.

        With gradients these are the images, the result, and a gradient of each; the kernels or
        weights and their gradient.
        """
        forward = 2 * self.image_bytes + self.weights_bytes(form)
        return forward if part == "forward" else 2 * forward

    def results_bytes(self, form: Implementation, part: Part) -> int:
        """Bytes of what a call returns: the result, and the gradients of both arguments."""
        gradients = self.image_bytes + self.weights_bytes(form)
        return self.image_bytes + (0 if part == "forward" else gradients)


class Machine(Record):
    """The environment of a measurement."""

    versions: dict[str, str]
    hardware: Hardware


class ImplementationTimes(Record):
    """Times of one implementation at one shape."""

    first_call_seconds: float
    """Forward and gradients for the first time: tracing, compiling, and the call."""
    seconds: dict[Part, tuple[float, ...]]
    """One value per repeat."""


class OperatorTimes(Record):
    """Times of all implementations at one shape, in one process."""

    shape: OperatorShape
    data_format: str
    patches: str
    """The implementation of the published algorithm on this backend."""
    unfold: str | None
    """The implementation of `unfold`, with the version of PyTorch; None without it."""
    forms: dict[Implementation, ImplementationTimes]
    copy_bytes_per_second: tuple[float, ...]
    """Bytes read and written by a large copy, one value a repeat."""
    largest_difference: float
    """Largest difference of results and gradients from the patches, relative to their maximum."""
    machine: Machine


class OperatorMemory(Record):
    """Peak memory of each implementation at one shape: results, but not arguments."""

    peak_bytes: dict[Implementation, dict[Part, int]]
    method: str
    """How it was measured."""


class NetworkSteps(Record):
    """Training steps of one network."""

    first_step_seconds: float
    seconds: tuple[float, ...]
    """Seconds of each later step."""
    losses: tuple[float, ...]
    """Of every batch, including the first."""


class StepTimes(Record):
    """Training steps of the networks, timed alternately in one process."""

    batch_size: int
    image_shape: tuple[int, int, int]
    patches: str
    """The implementation of the published algorithm on this backend."""
    networks: dict[Network, NetworkSteps]
    machine: Machine


class ModelSizes(Record):
    """The size of a network."""

    parameters: int
    """Including those that are not trained."""
    macs: int | None
    """Multiply-accumulates for one image; None if a layer cannot be counted."""
    activations: int
    """Values in the outputs of all layers for one image, without the image."""
    file_bytes: int
    """Bytes of the saved file, without the optimizer state."""


class TimedModel(Record):
    """One network at one size of image."""

    name: str
    network: str
    """The same for all its sizes."""
    input_shape: tuple[int, int, int]
    sizes: ModelSizes
    first_call_seconds: float
    """Tracing, compiling, and the call, at the smallest batch."""
    warm_up_calls: dict[int, int]
    """Batch -> how many calls it took until they got no faster."""


class ModelTimes(TimedModel):
    """A network among those that were timed in alternation."""

    seconds: dict[int, tuple[float, ...]]
    """Batch -> seconds of an inference, one value a repeat."""
    step_seconds: tuple[float, ...]
    """Of a training step, one value in the first two repeats and in every fifth more."""


class ModelsTimes(Record):
    """Networks timed alternately in one process."""

    models: tuple[ModelTimes, ...]
    step_batch: int
    """Images per training step."""
    machine: Machine


class ModelsMemory(Record):
    """Peak memory of each network, without its weights and images."""

    peak_bytes: dict[str, dict[int, int]]
    """Name -> batch -> bytes of an inference."""
    step_bytes: dict[str, int | None]
    """Of a training step; None where the backend cannot tell."""
    method: str
    """How it was measured."""


Format = Literal["saved_model", "onnx", "litert", "litert_float16", "litert_int8"]
FORMATS: tuple[Format, ...] = get_args(Format)
LITERT: frozenset[Format] = frozenset(("litert", "litert_float16", "litert_int8"))
"""Formats that take one image at a time."""

EXTRAS: dict[Format, str] = {
    "onnx": "onnx",
    "litert": "litert",
    "litert_float16": "litert",
    "litert_int8": "litert",
}
"""The optional dependency that a format needs besides TensorFlow."""

FILE_NAMES: dict[Format, str] = {
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "litert_float16": "model-float16.tflite",
    "litert_int8": "model-int8.tflite",
}
"""A folder, and files."""

TOLERANCE = 1e-3
"""How much a probability may differ from Keras with the same float32 weights."""


def tolerance(form: Format) -> float | None:
    """The largest allowed difference of a probability; None if a format rounds the weights."""
    return TOLERANCE if form in ("saved_model", "onnx", "litert") else None


class ExportRecord(Record):
    """One exported network, compared with its Keras model."""

    schema_version: Literal[1] = 1
    run_id: str
    format: Format
    file: str
    """Its name, in the folder of this record."""
    size_bytes: int
    input_shape: tuple[int | None, ...]
    """Of float32 pixels from 0 to 255; None where any number of images is taken."""
    class_names: tuple[str, ...]
    """What the probabilities in the result are of, in order."""
    test_images: int
    """Images used for the comparison."""
    largest_difference: float
    """Between a probability and Keras'."""
    agreement: float
    """The share of images with the same predicted class."""
    accuracy: float
    """The share of images with the right predicted class."""
    keras_accuracy: float
    """That of the Keras model on the same images."""
    versions: dict[str, str]
    """Of what exported it and of the runtime that ran it."""


@dataclass(frozen=True)
class Exported:
    """An exported network on disk."""

    record: ExportRecord
    folder: ResultsPath

    @property
    def path(self) -> Path:
        return (self.folder / self.record.file).path


class ExportTimes(Record):
    """Exported networks timed in alternation in one process, each in its own runtime."""

    threads: int
    seconds: tuple[tuple[float, ...], ...]
    """Of one image, one value a repeat, for each of them in the order given."""
    machine: Machine


class MeasuredExport(Record):
    """One exported network, and how long it takes."""

    network: str
    record: ExportRecord
    seconds: dict[int, tuple[float, ...]]
    """Threads -> seconds of one image, one value a repeat."""


class MeasuredExports(Record):
    """Networks in all formats, timed side by side."""

    exports: tuple[MeasuredExport, ...]
    failures: tuple[str, ...]
    """What could not be exported, and why."""
    machine: Machine


Kind = Literal["model", "export"]
_KINDS: tuple[Kind, ...] = ("model", "export")


class BenchmarkMetrics(Record):
    """`benchmark-model.json` and `benchmark-export.json`: the metrics of one run."""

    schema_version: Literal[1] = 1
    run_id: str
    metrics: dict[str, float]
    """Seconds, bytes, and accuracies as fractions; `<metric>@<condition>` where there are more."""
    together: str
    """When it was measured, UTC, ISO 8601; the same for runs that were timed in alternation."""
    repeats: Count
    machine: Machine


def write_benchmark(folder: ResultsPath, kind: Kind, metrics: BenchmarkMetrics) -> None:
    """Write the metrics of a run, replacing earlier ones. Raises ResultsError if that fails."""
    write_json(folder / f"benchmark-{kind}.json", metrics.model_dump(mode="json"))


def read_benchmarks(folder: ResultsPath) -> dict[Kind, BenchmarkMetrics]:
    """The metrics of a run, by benchmark. Raises ResultsError if a file cannot be used."""
    found = dict[Kind, BenchmarkMetrics]()
    with folder.kept_open():
        for kind in _KINDS:
            path = folder / f"benchmark-{kind}.json"
            if path.exists():
                try:
                    found[kind] = BenchmarkMetrics.model_validate_json(read_bytes(path, RECORD))
                except ValidationError as error:
                    raise ResultsError(
                        f"{path}: damaged, or from another version; "
                        f"`involbench bench {kind}` makes it again"
                    ) from error
    return found
