"""One shape -> the most memory that each form holds."""

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from involbench.benchmark.operator import make_calls, require_memory
from involbench.benchmark.timing import BenchmarkCase
from involbench.ops.cpu import plan as cpu_memory
from involbench.results.benchmarks import PARTS, OperatorMemory, OperatorShape
from involbench.training.provenance import gpu_names

_SAMPLES_EVERY = 0.001  # Seconds.
_CALLS = 3
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure_memory(shape: OperatorShape) -> OperatorMemory:
    """The most memory that each form holds beyond its arguments, its results included.

    On the CPU this is resident memory of the process, which must have been started such that
    freed memory goes back to the system (`involbench.runner.benchmarks` does); on a GPU it is
    what the backend counts. Every call was made once before, so that compiling does not count.
    Memory that earlier calls left behind can hide a few hundred KiB.

    Raises:
        UsageError: The shape would not fit into memory.
    """
    require_memory(shape)
    peak, method = peak_method()
    peaks = {
        form: {part: peak(calls[part]) for part in PARTS}
        for form, calls in make_calls(shape).items()
    }
    return OperatorMemory(peak_bytes=peaks, method=method)


def peak_method() -> tuple[Callable[[BenchmarkCase], int], str]:
    """How this process can tell the peak bytes of a call, and the same in words."""
    if gpu_names():
        return BenchmarkCase.device_peak_bytes, "GPU memory as the backend counts it"
    if sys.platform == "linux" and _can_clear():
        return _added(_high_water), f"VmHWM of the process, largest of {_CALLS} calls"
    return _added(_sampled), f"resident memory every millisecond, largest of {_CALLS} calls"


def _added(most: Callable[[BenchmarkCase], int]) -> Callable[[BenchmarkCase], int]:
    """What a call adds to the resident bytes, from the most that were resident in one call."""

    def peak(call: BenchmarkCase) -> int:
        call()
        seen = [0]
        # Which thread is faster decides what is held at the same time, so that calls differ.
        for _ in range(_CALLS):
            _give_back()
            before = _resident_bytes()
            seen.append(most(call) - before)
        return max(seen)

    return peak


def _can_clear() -> bool:
    """Some sandboxes do not let a process set its high-water mark back, or have none."""
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
    done, seen = threading.Event(), []

    def look() -> None:
        while not done.wait(_SAMPLES_EVERY):
            seen.append(_resident_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    _results = call()
    seen.append(_resident_bytes())
    done.set()
    thread.join()
    return max(seen)


def _give_back() -> None:
    """Let what is kept or free go back to the system, where the C library can."""
    gc.collect()
    cpu_memory.release()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)
