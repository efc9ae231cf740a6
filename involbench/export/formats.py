"""The formats: how each is written, and the runtime that reads it back."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.errors import UsageError
from involbench.export import litert, onnx, saved_model
from involbench.results.exports import Format

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
    packages: dict[str, str]
    """Module -> the package that brings it, of all that is needed."""
    extra: str | None = None
    """The extra of involbench that installs them."""


_ONNX = {"tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"}
_LITERT = {"ai_edge_litert": "ai-edge-litert"}
_TENSORFLOW = {"tensorflow": "tensorflow"}

EXPORTERS: dict[Format, Exporter] = {
    "saved_model": Exporter(saved_model.write, saved_model.load, _TENSORFLOW),
    "onnx": Exporter(onnx.write, onnx.load, _TENSORFLOW | _ONNX, "onnx"),
    "litert": Exporter(litert.write, litert.load, _TENSORFLOW | _LITERT, "litert"),
    "litert_float16": Exporter(litert.write_float16, litert.load, _TENSORFLOW | _LITERT, "litert"),
    "litert_int8": Exporter(litert.write_int8, litert.load, _TENSORFLOW | _LITERT, "litert"),
}


def require(form: Format) -> Exporter:
    """The exporter of a format whose packages are there.

    Raises:
        UsageError: Some are not.
    """
    exporter = EXPORTERS[form]
    missing = [p for module, p in exporter.packages.items() if find_spec(module) is None]
    if missing:
        wanted = f"'involbench[{exporter.extra}]'" if exporter.extra else " ".join(missing)
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(
            f"--format {form} needs {' and '.join(missing)}, which {verb} not installed; "
            f"pip install {wanted}"
        )
    return exporter


def versions(form: Format) -> dict[str, str]:
    """Package -> version, of Keras and of all that a format needs."""
    return {name: version(name) for name in ("keras", *EXPORTERS[form].packages.values())}
