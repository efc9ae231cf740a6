"""The formats: how each is written, and the runtime that reads it back."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.export import litert, onnx, saved_model
from involbench.results.benchmarks import Format

Images = NDArray[np.float32]
"""(N, H, W, C), from 0 to 255."""
Runtime = Callable[[Images], NDArray[np.float32]]
"""Images -> probabilities, (N, classes)."""


@dataclass(frozen=True)
class Exporter:
    """One format."""

    write: Callable[[keras.Model, Path, Images], None]
    """Writes a model, given some of its training images to find the ranges of values by."""
    load: Callable[[Path, int], Runtime]
    """A written model in its own runtime, on so many threads; 0 leaves it to the runtime."""
    packages: tuple[str, ...]
    """What writes and reads it beside Keras and TensorFlow, for the record."""


_LITERT = ("ai-edge-litert",)

EXPORTERS: dict[Format, Exporter] = {
    "saved_model": Exporter(saved_model.write, saved_model.load, ()),
    "onnx": Exporter(onnx.write, onnx.load, ("tf2onnx", "onnxruntime")),
    "litert": Exporter(litert.write, litert.load, _LITERT),
    "litert_float16": Exporter(litert.write_float16, litert.load, _LITERT),
    "litert_int8": Exporter(litert.write_int8, litert.load, _LITERT),
}


def versions(form: Format) -> dict[str, str]:
    """Package -> version, of Keras and of all that a format needs."""
    return {name: version(name) for name in ("keras", "tensorflow", *EXPORTERS[form].packages)}
