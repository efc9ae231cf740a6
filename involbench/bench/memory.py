"""One shape -> the most memory that each form holds."""

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from involbench.bench.call import Call, backend_tools
from involbench.bench.forms import make_calls
from involbench.bench.operator import require_memory
from involbench.results.benchmark import FORMS, PARTS, OperatorMemory, OperatorShape
from involbench.training.device import gpu_names

_SAMPLES_EVERY = 0.001  # Seconds.
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure_memory(shape: OperatorShape) -> OperatorMemory:
    """The most memory that each form holds beyond its arguments, its results included.

    On the CPU this is resident memory of the process, which must have been started such that
    freed memory goes back to the system (`involbench.execution.benchmark` does); on a GPU it is
    what the backend counts. Every call was made once before, so that compiling does not count.

    Raises:
        UsageError: The shape would not fit into memory.
    """
    require_memory(shape)
    peak, method = peak_method()
    calls = make_calls(shape)
    peaks = {form: {part: peak(calls[form][part]) for part in PARTS} for form in FORMS}
    return OperatorMemory(peak_bytes=peaks, method=method)


def peak_method() -> tuple[Callable[[Call], int], str]:
    """How this process can tell the peak bytes of a call, and the same in words."""
    if gpu_names():
        return backend_tools().device_peak_bytes, "GPU memory as the backend counts it"
    if sys.platform == "linux" and _can_clear():
        return _high_water, "high-water mark of the process's resident memory (Linux, VmHWM)"
    return _sampled, "resident memory of the process, looked at every millisecond"


def _can_clear() -> bool:
    """Some sandboxes do not let a process set its high-water mark back."""
    try:
        _clear_high_water()
    except OSError:
        return False
    return True


def _clear_high_water() -> None:
    _CLEAR.write_text("5")


def _high_water(call: Call) -> int:
    before = _settled(call)
    _clear_high_water()
    backend_tools().wait(call())
    return max(_high_water_bytes() - before, 0)


def _high_water_bytes() -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def _sampled(call: Call) -> int:
    before = _settled(call)
    done, seen = threading.Event(), [before]

    def look() -> None:
        while not done.wait(_SAMPLES_EVERY):
            seen.append(_resident_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    results = call()
    backend_tools().wait(results)
    seen.append(_resident_bytes())
    done.set()
    thread.join()
    return max(seen) - before


def _settled(call: Call) -> int:
    """Resident bytes once the call is compiled and what it freed has gone back to the system."""
    backend_tools().wait(call())
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
    return _resident_bytes()


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)
