"""A computation that is measured, and the backend's way to measure it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

Forward = Callable[[Any, Any], Any]
"""Computes a result from images and kernels, or from images and weights."""


@dataclass(frozen=True)
class Call:
    """A function, compiled where the backend compiles, and its arguments; returns its results."""

    function: Callable[..., list[Any]]
    arguments: tuple[Any, ...]

    def __call__(self) -> list[Any]:
        return self.function(*self.arguments)


def backend_tools() -> Any:
    """The module of this folder that belongs to the Keras backend in use.

    All have `DATA_FORMAT`, `PATCHES`, `patches`, `forward`, `with_gradients`, `wait` and
    `device_peak_bytes`; `involbench.bench.tensorflow` says what each of them does.
    """
    return importlib.import_module(f"involbench.bench.{keras.backend.backend()}")
