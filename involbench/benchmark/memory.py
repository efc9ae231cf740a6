"""The peak memory of a call, and of each implementation of the operator."""

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from involbench.benchmark.backends import BenchmarkCase
from involbench.benchmark.operator import make_calls, require_memory
from involbench.ops.cpu.plan import release
from involbench.results.benchmarks import PARTS, OperatorMemory, OperatorShape
from involbench.training.provenance import gpu_names

_SAMPLES_EVERY = 0.001  # Seconds.
_CALLS = 3
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure_memory(shape: OperatorShape) -> OperatorMemory:
    """The peak memory of each implementation beyond its arguments, with its results.

    On the CPU, this is resident memory of the process. It must be started such that freed memory
    goes back to the system, as `involbench.runner.benchmarks` does. On a GPU, the backend counts.
    Every call is made once before, so that compiling does not count. Memory left by earlier calls
    can hide a few hundred KiB.

    Raises:
        UsageError: The shape does not fit into memory.
    """
    require_memory(shape)
    peak, method = peak_method()
    peaks = {
        form: {part: peak(calls[part]) for part in PARTS}
        for form, calls in make_calls(shape).items()
    }
    return OperatorMemory(peak_bytes=peaks, method=method)


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
