"""Timing: warm-up, one timed call, memory bandwidth, and the machine."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from involbench.benchmark.backends import BenchmarkCase, backend_in_use
from involbench.results.benchmarks import Machine
from involbench.training.provenance import gpu_names, hardware, versions


def this_machine() -> Machine:
    """The machine and the versions, on which times depend."""
    return Machine(versions=versions(), hardware=hardware())


_MOST_CALLS, _LONGEST = 100, 3.0
"""The latter in seconds, for all calls but the first, which may compile."""
_FASTER = 0.95
"""Go on while the best of three calls is below this share of the best of the three before."""


def warm_up(timed: Callable[[], float]) -> int:
    """Repeat a call until it gets no faster.

    Args:
        timed: Makes one call, and returns its seconds.

    Returns:
        The number of calls.
    """
    taken = list[float]()
    while len(taken) < _MOST_CALLS and sum(taken[1:]) < _LONGEST:
        taken.append(timed())
        if len(taken) >= 6 and min(taken[-3:]) > _FASTER * min(taken[-6:-3]):
            break
    return len(taken)


def seconds(call: BenchmarkCase) -> float:
    """The time of one call, until its results are ready."""
    start = time.perf_counter()
    _results = call()  # Freed after the time is taken.
    return time.perf_counter() - start


_BYTES = 2**28
"""Size of the array that is copied: far larger than the caches."""


def make_copy() -> Callable[[], float]:
    """A function that copies a large array, and returns the bytes read and written per second.

    In main memory, each core copies a piece between two arrays; on a GPU, the backend copies.
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
    wait = backend_in_use().wait
    source = keras.ops.ones(_BYTES // 4, "float32")

    def copy() -> float:
        wait([source])
        start = time.perf_counter()
        wait([source + 1])
        return 2 * _BYTES / (time.perf_counter() - start)

    copy()
    return copy
