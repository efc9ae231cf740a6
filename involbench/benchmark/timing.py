"""How a computation is called, warmed up and timed, on which machine."""

import importlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from involbench.results.benchmarks import Machine
from involbench.training.provenance import gpu_names, hardware, versions


def this_machine() -> Machine:
    """What the times depend on."""
    return Machine(versions=versions(), hardware=hardware())


_MOST_CALLS, _LONGEST = 100, 3.0
"""The latter in seconds, of all calls but the first, which may have to compile what it runs."""
_FASTER = 0.95
"""What the best of three calls must fall below, of the best of the three before, to go on."""


def warm_up(timed: Callable[[], float]) -> int:
    """Call until it gets no faster, at least twice.

    Args:
        timed: Makes one call, and says how many seconds it took.

    Returns:
        How often it was called.
    """
    taken = list[float]()
    while len(taken) < _MOST_CALLS and sum(taken[1:]) < _LONGEST:
        taken.append(timed())
        if len(taken) >= 6 and min(taken[-3:]) > _FASTER * min(taken[-6:-3]):
            break
    return len(taken)


Forward = Callable[[Any, Any], Any]
"""Computes a result from images and kernels, or from images and weights."""


def backend_tools(backend: str | None = None) -> Any:
    """The module of this folder that belongs to a backend, by default to that of Keras.

    All have `DATA_FORMAT`, `PATCHES`, `patches`, `to_numpy`, `forward`, `with_gradients`, `wait`
    and `device_peak_bytes`; `involbench.benchmark.tensorflow` says what each of them does.
    """
    return importlib.import_module(f"involbench.benchmark.{backend or keras.backend.backend()}")


@dataclass(frozen=True)
class BenchmarkCase:
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


_BYTES = 2**28
"""Of the array that is copied: far more than a core's share of the caches."""


def make_copy() -> Callable[[], float]:
    """A function that copies a large array once; bytes read and written per second.

    In main memory, between two arrays that are there, every core a piece; on a GPU, by the backend.
    """
    return _on_gpu() if gpu_names() else _in_main_memory()


def _in_main_memory() -> Callable[[], float]:
    source = np.ones(_BYTES // 4, np.float32)
    target = source.copy()
    cores = hardware().cores
    pieces = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)

    def copy() -> float:
        start = time.perf_counter()
        list(pool.map(lambda piece: np.copyto(*piece), pieces))
        return 2 * _BYTES / (time.perf_counter() - start)

    copy()
    return copy


def _on_gpu() -> Callable[[], float]:
    wait = backend_tools().wait
    source = keras.ops.ones(_BYTES // 4, "float32")

    def copy() -> float:
        wait([source])
        start = time.perf_counter()
        wait([source + 1])
        return 2 * _BYTES / (time.perf_counter() - start)

    copy()
    return copy
