"""How many bytes a second the memory moves, where the operator's arrays lie."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from involbench.bench.call import backend_tools
from involbench.training.device import gpu_names
from involbench.training.provenance import hardware

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
