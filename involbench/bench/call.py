"""A computation that is measured, and the backend's way to measure it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

Forward = Callable[[Any, Any], Any]
"""Computes a result from images and kernels, or from images and weights."""


def backend_tools(backend: str | None = None) -> Any:
    """The module of this folder that belongs to a backend, by default to that of Keras.

    All have `DATA_FORMAT`, `PATCHES`, `patches`, `to_numpy`, `forward`, `with_gradients`, `wait`
    and `device_peak_bytes`; `involbench.bench.tensorflow` says what each of them does.
    """
    return importlib.import_module(f"involbench.bench.{backend or keras.backend.backend()}")


@dataclass(frozen=True)
class Call:
    """A function, compiled where the backend compiles, and its arguments."""

    function: Callable[..., list[Any]]
    arguments: tuple[Any, ...]
    tools: Any = field(default_factory=backend_tools)
    """Of the backend that computes it."""

    def __call__(self) -> list[Any]:
        """The results, once they are there."""
        results = self.function(*self.arguments)
        self.tools.wait(results)
        return results

    def arrays(self) -> list[np.ndarray]:
        """The results as arrays, channels last."""
        arrays = [self.tools.to_numpy(result) for result in self()]
        if self.tools.DATA_FORMAT == "channels_last":
            return arrays
        return [np.moveaxis(array, (-2, -1), (1, 2)) for array in arrays]

    def device_peak_bytes(self) -> int:
        """The most memory of the GPU that it holds."""
        peak: int = self.tools.device_peak_bytes(self)
        return peak
