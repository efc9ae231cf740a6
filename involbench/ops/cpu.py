"""The involution and both its gradients of NumPy arrays, on all cores."""

import functools
import itertools
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from keras import ops

from involbench.ops import taps
from involbench.ops.cpu_memory import empty
from involbench.ops.geometry import Geometry

Array = np.ndarray[Any, Any]

# Below this many products a second thread costs more than it saves.
_FEW_PRODUCTS = 2**16
# Parts for each thread, so that one that is held up leaves its share to the others.
_PARTS = 8


@functools.cache
def available() -> bool:
    """Whether numba, which compiles the loops, is installed and fits the other packages."""
    try:
        _loops()
    except ImportError:
        return False
    return True


def adapted(
    function: Callable[[Any, Any, Geometry], Any], inputs: Any, kernels: Any, geometry: Geometry
) -> Any:
    """`function` of the backend's tensors of any type and data format.

    It is given channels-last float32 or float64 tensors, and a geometry to match.
    """
    x, h = taps.wide(inputs), taps.wide(kernels)
    if geometry.channels_last:
        return ops.cast(function(x, h, geometry), inputs.dtype)
    x, h = ops.transpose(x, (0, 2, 3, 1)), ops.transpose(h, (0, 3, 4, 1, 2))
    result = function(x, h, replace(geometry, data_format="channels_last"))
    return ops.cast(ops.transpose(result, (0, 3, 1, 2)), inputs.dtype)


def _loops() -> ModuleType:
    # Numba is slow to import, and compiling for a GPU needs none of it.
    from involbench.ops import cpu_kernels

    return cpu_kernels


def forward(inputs: Array, kernels: Array, geometry: Geometry) -> Array:
    """The result for channels-last float32 or float64 arrays; see `involbench.ops.involution`."""
    result = empty(geometry.output_shape(inputs.shape), inputs.dtype)
    _run("forward", (inputs, kernels, result), inputs.shape, geometry)
    return result


def inputs_gradient(
    shape: Sequence[int], kernels: Array, upstream: Array, geometry: Geometry
) -> Array:
    """The gradient by the inputs, whose shape is `shape`."""
    result = empty(tuple(map(int, shape)), upstream.dtype)
    _run("inputs_gradient", (kernels, upstream, result), result.shape, geometry)
    return result


def kernels_gradient(inputs: Array, upstream: Array, geometry: Geometry) -> Array:
    """The gradient by the kernels."""
    result = empty(geometry.kernels_shape(inputs.shape), inputs.dtype)
    _run("kernels_gradient", (inputs, upstream, result), inputs.shape, geometry)
    return result


def _run(name: str, arrays: tuple[Array, ...], shape: tuple[int, ...], geometry: Geometry) -> None:
    """One of the compiled loops, over all images."""
    batch, dtype = shape[0], arrays[0].dtype
    sizes, lanes = _sizes(shape[1:], geometry, dtype.itemsize)
    flat = [np.require(array, requirements=["C", "W"]).reshape(-1) for array in arrays]

    products = math.prod((batch, sizes.out_height, sizes.out_width, shape[3], sizes.taps))
    threads = min(_cores(), batch) if products > _FEW_PRODUCTS else 1
    count = min(threads * _PARTS, batch) if threads > 1 else 1
    edges = [batch * i // count for i in range(count + 1)]
    parts = iter(list(itertools.pairwise(edges)))

    def work() -> None:
        scratch = _scratch(sizes, geometry, dtype)
        for first, last in parts:
            getattr(_loops(), name)(*flat, first, last, scratch, sizes, lanes)

    helpers = [_pool().submit(work) for _ in range(threads - 1)]
    work()
    for helper in helpers:
        # On a busy machine this thread may have done everything before a helper began.
        if not helper.cancel():
            helper.result()


@functools.lru_cache(maxsize=256)
def _sizes(image: tuple[int, ...], geometry: Geometry, itemsize: int) -> tuple[Any, Any]:
    """The loops' sizes, and as many zeros as their vectors have lanes."""
    (height, width, channels), rows, columns = image, geometry.rows, geometry.columns
    members = channels // geometry.groups
    lanes = 4 if members <= 4 else 64 // itemsize
    contiguous = geometry.group_layout == "contiguous" or geometry.groups == 1
    left = columns.before(width)
    sizes = _loops().Sizes(
        height=height,
        width=width,
        out_height=rows.out_size(height),
        out_width=columns.out_size(width),
        row_strides=rows.strides,
        column_strides=columns.strides,
        top=rows.before(height),
        left=left,
        groups=geometry.groups,
        members=members,
        group_step=members if contiguous else 1,
        member_step=1 if contiguous or members == 1 else geometry.groups,
        taps=rows.kernel_size * columns.kernel_size,
        slot=-(-members // lanes) * lanes,
        ring_height=rows.offset(rows.kernel_size - 1) + 1,
        ring_width=max(columns.extent(width), left + width),
    )
    return sizes, (0,) * lanes


def _scratch(sizes: Any, geometry: Geometry, dtype: Any) -> Any:
    pixel = sizes.groups * sizes.slot
    ring = empty((sizes.ring_height * sizes.ring_width * pixel,), dtype)
    ring[:] = 0
    line = empty((sizes.out_width * pixel,), dtype)
    line[:] = 0
    kernels = empty((sizes.out_width * sizes.groups * sizes.taps + 4,), dtype)
    return _loops().Scratch(ring, line, kernels, _offsets(sizes, geometry))


@functools.lru_cache(maxsize=256)
def _offsets(sizes: Any, geometry: Geometry) -> Array:
    """Distances in the ring from a pixel's place to its taps: for every row that may be first."""
    pixel = sizes.groups * sizes.slot
    rows = np.array([geometry.rows.offset(row) for row, _ in geometry.taps])
    columns = np.array([geometry.columns.offset(column) for _, column in geometry.taps])
    first = np.arange(sizes.ring_height)[:, None]
    places = (first + rows) % sizes.ring_height * sizes.ring_width + columns
    return np.pad(places * pixel, ((0, 0), (0, 3)), mode="edge").astype(np.intp).reshape(-1)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_cores(), thread_name_prefix="involution")


# A child has none of its parent's threads.
os.register_at_fork(after_in_child=_pool.cache_clear)
