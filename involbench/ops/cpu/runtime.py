"""How the loops for the CPU are compiled, and memory for their results.

A fresh array costs as much as computing what goes into it: the system hands out its pages one by
one, and clears them.
"""

import functools
import hashlib
import math
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

# Called by compiled functions only.
part: Callable[[Any], Any] = numba.njit(
    nogil=True,
    error_model="numpy",
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
    forceinline=True,
)


def cached(function: Callable[..., None]) -> Callable[..., None]:
    """Compiled at its first call, or read from the disk if a process has compiled it before."""
    # Numba looks for changes in the function's file only; by this name it finds no others' old
    # parts.
    function.__qualname__ += f"-{_digest()}"
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", no_cfunc_wrapper=True)(
            function
        )
    except RuntimeError:  # Numba found no folder that it may write in.
        return numba.njit(nogil=True, error_model="numpy")(function)


@functools.cache
def _digest() -> str:
    """Of the source of all that is compiled."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


# A cache line: vectors that begin with one stay within it, and TensorFlow need not copy the array.
_LINE = 64
_SMALL = 2**18
_KEPT_BYTES = 2**26

_kept: list[np.ndarray[Any, Any]] = []
_lock = threading.Lock()


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An array of any content that begins where a cache line does.

    Arrays that nobody refers to any more are used again. At most 64 MiB are kept for that, those
    used last.
    """
    count = math.prod(shape)
    size = count * np.dtype(dtype).itemsize
    block = np.empty(size + _LINE, np.uint8) if size < _SMALL else _block(size + _LINE)
    skip = -block.ctypes.data % _LINE
    return block[skip : skip + size].view(dtype).reshape(shape)


def release() -> None:
    """Keep nothing of what results that are gone have left."""
    with _lock:
        _kept.clear()


def _block(size: int) -> np.ndarray[Any, Any]:
    with _lock:
        for at in reversed(range(len(_kept))):
            # Two references to a free one: the list's, and that of the question itself.
            if len(_kept[at]) == size and sys.getrefcount(_kept[at]) == 2:
                _kept.append(_kept.pop(at))
                return _kept[-1]
        _kept.append(np.empty(size, np.uint8))
        block = _kept[-1]
        while len(_kept) > 1 and sum(map(len, _kept)) > _KEPT_BYTES:
            del _kept[0]
        return block
