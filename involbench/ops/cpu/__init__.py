"""The involution and both its gradients for NumPy arrays, on all cores."""

import functools
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from keras import ops

from involbench.ops.cpu.plan import empty, loops, make_plan
from involbench.ops.geometry import Geometry
from involbench.ops.shifted_views import wide

Array = np.ndarray[Any, Any]
Part = TypeVar("Part")

# Below this many products a second thread costs more than it saves.
_FEW_PRODUCTS = 2**16
# Parts for each thread, so that the others can take over from one that the system slows down.
_PARTS = 8


@functools.cache
def available() -> bool:
    """Whether numba can compile the loops: it is installed, fits the other packages, and is on."""
    try:
        from numba import config

        loops("columns")
    except ImportError:
        return False
    return not config.DISABLE_JIT


def adapted(
    function: Callable[[Any, Any, Geometry], Any], inputs: Any, kernels: Any, geometry: Geometry
) -> Any:
    """Call `function` for the backend's tensors of any type and data format.

    It gets channels-last float32 or float64 tensors, and a geometry that fits them.
    """
    x, h = wide(inputs), wide(kernels)
    if geometry.channels_last:
        return ops.cast(function(x, h, geometry), inputs.dtype)
    x, h = ops.transpose(x, (0, 2, 3, 1)), ops.transpose(h, (0, 3, 4, 1, 2))
    result = function(x, h, replace(geometry, data_format="channels_last"))
    return ops.cast(ops.transpose(result, (0, 3, 1, 2)), inputs.dtype)


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
    """Run one of the compiled loops over all images."""
    batch, dtype = shape[0], arrays[0].dtype
    plan = make_plan(shape[1:], geometry, dtype)
    flat = [flat_array(array) for array in arrays]
    sizes = plan.sizes
    threads = threads_for(batch, sizes, shape[3])
    count = min(threads * _PARTS, batch) if threads > 1 else 1

    def work(parts: Iterator[tuple[int, int]]) -> None:
        scratch = plan.scratch()
        for first, last in parts:
            getattr(plan.loops, name)(*flat, first, last, scratch, sizes, plan.vectors)

    share(divided(batch, count), threads, work)


def flat_array(array: Array) -> Array:
    """An array as the loops take it."""
    return np.require(array, requirements=["C", "W"]).reshape(-1)


def threads_for(batch: int, sizes: Any, channels: int) -> int:
    """How many threads are worth it for images of `layouts.Sizes`."""
    products = math.prod((batch, sizes.out_height, sizes.out_width, channels, sizes.taps))
    return min(_threads(), batch) if products > _FEW_PRODUCTS else 1


def divided(batch: int, count: int) -> list[tuple[int, int]]:
    """A batch in `count` parts: the first image of each, and the image after its last."""
    return list(itertools.pairwise(batch * i // count for i in range(count + 1)))


def share(parts: Sequence[Part], threads: int, work: Callable[[Iterator[Part]], None]) -> None:
    """Call `work` in several threads; all take their parts from the same iterator."""
    rest = iter(parts)
    helpers = [_pool().submit(work, rest) for _ in range(threads - 1)]
    work(rest)
    for helper in helpers:
        # On a busy machine this thread may have done everything before a helper began.
        if not helper.cancel():
            helper.result()


def _threads() -> int:
    """The number that numba takes: the cores that this process may use, or NUMBA_NUM_THREADS."""
    from numba import config

    return int(config.NUMBA_NUM_THREADS)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads(), thread_name_prefix="involution")


# A forked child has none of the threads.
os.register_at_fork(after_in_child=_pool.cache_clear)
