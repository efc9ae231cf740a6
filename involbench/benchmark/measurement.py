"""Time and peak memory of a call, warm-up, memory bandwidth, and the machine."""

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import psutil

from involbench.benchmark.backends import BenchmarkCase, backend_in_use
from involbench.ops.cpu.plan import release
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
    """Repeat a call until it gets no faster, and return the number of calls.

    `timed` makes one call, and returns its seconds.
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


_SAMPLES_EVERY = 0.001  # Seconds.
_CALLS = 3
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_method() -> tuple[Callable[[BenchmarkCase], int], str]:
    """How this process measures the peak bytes of a call, and the same in words."""
    if gpu_names():
        return BenchmarkCase.device_peak_bytes, "GPU memory as the backend counts it"
    if sys.platform == "linux" and _can_clear():
        return _beyond_before(_high_water), f"VmHWM of the process, largest of {_CALLS} calls"
    return _beyond_before(_sampled), f"resident memory every millisecond, largest of {_CALLS} calls"


def _beyond_before(most: Callable[[BenchmarkCase], int]) -> Callable[[BenchmarkCase], int]:
    """What a call adds to the resident bytes; `most` gives the peak during one call."""

    def peak(call: BenchmarkCase) -> int:
        call()
        added = [0]
        # Calls differ, since the speed of threads decides what is in memory at the same time.
        for _ in range(_CALLS):
            _free_memory()
            before = _resident_bytes()
            added.append(most(call) - before)
        return max(added)

    return peak


def _can_clear() -> bool:
    """Whether the process can reset its high-water mark; some sandboxes forbid it or have none."""
    try:
        _clear_high_water()
        return _high_water_line() is not None
    except OSError:
        return False


def _clear_high_water() -> None:
    _CLEAR.write_text("5")


def _high_water_line() -> str | None:
    lines = _STATUS.read_text().splitlines()
    return next((line for line in lines if line.startswith("VmHWM:")), None)


def _high_water(call: BenchmarkCase) -> int:
    _clear_high_water()
    call()
    line = _high_water_line()
    assert line is not None
    return 1024 * int(line.split()[1])


def _sampled(call: BenchmarkCase) -> int:
    done, samples = threading.Event(), []

    def sample() -> None:
        while not done.wait(_SAMPLES_EVERY):
            samples.append(_resident_bytes())

    thread = threading.Thread(target=sample)
    thread.start()
    _results = call()
    samples.append(_resident_bytes())
    done.set()
    thread.join()
    return max(samples)


def _free_memory() -> None:
    """Return unused memory to the system, where the C library can."""
    gc.collect()
    release()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)
