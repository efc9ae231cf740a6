"""How the loops for the CPU are compiled, and kept on disk."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

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
    files = sorted(Path(__file__).parent.glob("cpu_*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
