"""What is known of a network that left Keras: the schema of the file beside each exported one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from involbench.results.benchmark import Machine
from involbench.results.paths import ResultsPath
from involbench.results.record import Record

Format = Literal["saved_model", "onnx", "litert", "litert_float16", "litert_int8"]
FORMATS: tuple[Format, ...] = get_args(Format)
LITERT: frozenset[Format] = frozenset(("litert", "litert_float16", "litert_int8"))
"""Those that take one image at a time."""

EXTRAS: dict[Format, str] = {
    "onnx": "onnx",
    "litert": "litert",
    "litert_float16": "litert",
    "litert_int8": "litert",
}
"""The extra of involbench that a format needs beside TensorFlow."""

FILE_NAMES: dict[Format, str] = {
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "litert_float16": "model-float16.tflite",
    "litert_int8": "model-int8.tflite",
}
"""A folder, and files."""

TOLERANCE = 1e-3
"""By how much a probability may differ from Keras' where the weights are the same float32."""


def tolerance(form: Format) -> float | None:
    """What no probability may differ by; None for a format that rounds the weights."""
    return TOLERANCE if form in ("saved_model", "onnx", "litert") else None


class ExportRecord(Record):
    """One exported network, held against the Keras model that it was made of."""

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
    """On which both were compared."""
    largest_difference: float
    """Between a probability and Keras'."""
    agreement: float
    """The share of images to which both give the same class."""
    accuracy: float
    """The share of images to which it gives the true class."""
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
    """Networks in all their formats, timed side by side."""

    exports: tuple[MeasuredExport, ...]
    failures: tuple[str, ...]
    """What could not be exported, and why."""
    machine: Machine
