"""Functions of NumPy arrays as XLA calls of JAX on the CPU, by XLA's typed FFI.

The handler is a function that ctypes makes; no C++ compiler is needed. The structures are those of
XLA's `xla/ffi/api/c_api.h`, for the versions of JAX that `available` names.
"""

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

_TESTED = ("0.10.",)
_API_VERSION = 0, 3
_METADATA_EXTENSION = 1
_DTYPES = {11: np.float32, 12: np.float64}
"""Numbers of `XLA_FFI_DataType`."""

_Pointer = ctypes.c_void_p


class _Extension(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("type", ctypes.c_int), ("next", _Pointer)]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", _Pointer),
        ("dtype", ctypes.c_int),
        ("data", _Pointer),
        ("rank", ctypes.c_int64),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    ]


class _Buffers(ctypes.Structure):
    """`XLA_FFI_Args`, and `XLA_FFI_Rets`, which is alike."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", _Pointer),
        ("size", ctypes.c_int64),
        ("types", _Pointer),
        ("buffers", ctypes.POINTER(ctypes.POINTER(_Buffer))),
    ]


class _CallFrame(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", ctypes.POINTER(_Extension)),
        ("api", _Pointer),
        ("context", _Pointer),
        ("stage", ctypes.c_int),
        ("arguments", _Buffers),
        ("results", _Buffers),
    ]


class _Version(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("extension", _Pointer),
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
    ]


class _Metadata(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("version", _Version),
        ("traits", ctypes.c_uint32),
    ]


class _MetadataExtension(ctypes.Structure):
    _fields_ = [("base", _Extension), ("metadata", ctypes.POINTER(_Metadata))]


_Handler = ctypes.CFUNCTYPE(_Pointer, ctypes.POINTER(_CallFrame))
_kept: list[Any] = []
"""Handlers, which XLA may call as long as the process lives."""


@functools.cache
def available() -> bool:
    """Whether this version of JAX is one whose structures these are."""
    return jax.__version__.startswith(_TESTED) and hasattr(jax, "ffi")


def register(name: str, function: Callable[..., Sequence[np.ndarray]]) -> None:
    """Make a function of arrays an XLA call.

    A name must always mean the same: JAX keeps compiled programs on disk, with the names in them.
    Where the function fails, the results are NaN: there is no way to raise.
    """

    @_Handler  # type: ignore[untyped-decorator]
    def handler(frame: Any) -> None:
        call = frame.contents
        if call.extension and call.extension.contents.type == _METADATA_EXTENSION:
            extension = ctypes.cast(call.extension, ctypes.POINTER(_MetadataExtension))
            version = extension.contents.metadata.contents.version
            version.major, version.minor = _API_VERSION
            return
        results = _arrays(call.results)
        for result in results:
            result[...] = np.nan
        for result, array in zip(results, function(*_arrays(call.arguments)), strict=True):
            np.copyto(result, array)

    _kept.append(handler)
    capsule = jax.ffi.pycapsule(ctypes.cast(handler, _Pointer).value)
    jax.ffi.register_ffi_target(name, capsule, platform="cpu")


def _arrays(buffers: _Buffers) -> list[np.ndarray]:
    return [_array(buffers.buffers[index].contents) for index in range(buffers.size)]


def _array(buffer: _Buffer) -> np.ndarray:
    """A view of a buffer."""
    shape, dtype = tuple(buffer.dims[: buffer.rank]), np.dtype(_DTYPES[buffer.dtype])
    size = int(np.prod(shape)) * dtype.itemsize
    memory = (ctypes.c_uint8 * size).from_address(buffer.data) if size else bytearray()
    return np.frombuffer(memoryview(memory), dtype).reshape(shape)
