"""The fused involution and its gradients for NumPy arrays, on all cores.

The sums over a batch that make the gradient of the span do not depend on the threads: the batch is
divided into parts by its size alone, and the sums of the parts are added in their order.
"""

import functools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from involbench.ops import cpu
from involbench.ops.cpu.plan import Plan, empty, loops, over_channels, whole
from involbench.ops.geometry import Geometry

Array = np.ndarray[Any, Any]

# Up to so many channels a group, vectors of kernels take less time than vectors of few channels.
_FEW_MEMBERS = 2
# Numbers in a strip's kernels: they fit the cache of a core, with the weights and the gradient.
_STRIP_NUMBERS = 2**15
_STRIP_PIXELS = 64
# Parts of a batch that have sums of their own: fewer where these are large.
_MOST_PARTS, _FEWEST_PARTS, _SUMS_NUMBERS = 32, 8, 2**19
_FORWARD = ("ring", "line", "features", "kernels")


@dataclass(frozen=True)
class FusedPlan:
    """The arguments of the loops in `strips` for the images of a size."""

    plan: Plan
    strip: Any
    places: Array
    """(filters of the span, copies): the entries of a pixel's kernels that each filter makes."""

    def weights(self, span: Array, bias: Array) -> Array:
        """The weights (reduced + 1, entries) of the span (reduced, filters), its bias last."""
        rows = np.concatenate([span, bias[None]])
        weights = np.zeros((len(rows), self.strip.entries), span.dtype)
        weights[:, self.places] = rows[:, :, None]
        return weights

    def transposed(self, weights: Array) -> Array:
        result = np.zeros((self.strip.entries, self.strip.width), weights.dtype)
        result[:, : self.strip.reduced] = weights[:-1].T
        return result

    def gradients(self, sums: Array) -> tuple[Array, Array]:
        """The gradients of the span and its bias, from those of the weights."""
        rows = sums.reshape(-1, self.strip.entries)[: self.strip.reduced + 1]
        by_filter = rows[:, self.places].sum(axis=2)
        return by_filter[:-1], by_filter[-1]

    def scratch(self, forward: bool) -> Any:
        """Arrays for one thread to write in, set to zero."""
        strip = self.strip
        pixels = whole(strip.rows * strip.columns, loops("products").TILE)
        lanes = len(self.plan.vectors.lanes)
        ring = self.plan.shapes["ring"]
        shapes = {
            "ring": ring,
            "sums": ring,
            "line": self.plan.shapes["line"],
            "features": pixels * strip.features,
            "kernels": pixels * strip.entries + lanes,
            "gradient": pixels * strip.entries + lanes if strip.softmax else 0,
            "gradient_of_features": pixels * strip.width,
        }
        if forward:
            shapes = {name: size if name in _FORWARD else 0 for name, size in shapes.items()}
        arrays = {name: empty((size,), self.plan.dtype) for name, size in shapes.items()}
        for array in arrays.values():
            array[:] = 0
        arrays["features"].reshape(pixels, -1)[:, strip.reduced] = 1
        if not strip.softmax:
            arrays["gradient"] = arrays["kernels"]
        return loops("strips").Scratch(**arrays, **self.plan.tables)


@functools.lru_cache(maxsize=256)
def make_plan(
    image: tuple[int, ...], reduced: int, geometry: Geometry, softmax: bool, dtype: Any
) -> FusedPlan:
    """The plan for images (H, W, C) and so many reduced features, of float32 or float64."""
    groups, taps, channels = geometry.groups, len(geometry.taps), image[2]
    members = channels // groups
    vectors = members <= _FEW_MEMBERS
    filters = np.arange(groups * taps)
    group, tap = np.divmod(filters, taps)
    if geometry.group_layout == "interleaved":
        tap, group = np.divmod(filters, groups)
    plan = over_channels(image, replace(geometry, groups=1) if vectors else geometry, dtype)
    lanes, padded = len(plan.vectors.lanes), plan.sizes.padded_members
    if vectors:
        of_group = np.arange(channels).reshape(groups, members)
        if geometry.group_layout == "interleaved":
            of_group = np.arange(channels).reshape(members, groups).T
        places, entries = tap[:, None] * padded + of_group[group], taps * padded
    else:
        # Sums of four taps at once write up to three numbers beyond the last one.
        places, entries = (group * taps + tap)[:, None], whole(groups * taps + 3, lanes)
    rows, columns = _strip_size(plan, entries)
    axis = geometry.columns
    strip = loops("strips").Strip(
        rows=rows,
        columns=columns,
        reduced=reduced,
        entries=entries,
        features=whole(reduced + 1, loops("products").TILE),
        width=whole(reduced, lanes),
        softmax=int(softmax),
        vectors=int(vectors),
        kernel_width=axis.kernel_size,
        shift=axis.dilation * plan.sizes.groups * padded,
        adjacent=int(axis.dilation == axis.strides and axis.kernel_size >= 3),
    )
    vectors_of = plan.vectors._replace(group=())
    return FusedPlan(replace(plan, vectors=vectors_of), strip, places)


def _strip_size(plan: Plan, entries: int) -> tuple[int, int]:
    """Rows and columns: some whole rows, or a part of a row."""
    pixels = max(min(_STRIP_NUMBERS // entries, _STRIP_PIXELS), 8)
    height, width = plan.sizes.out_height, plan.sizes.out_width
    if width > pixels:
        parts = math.ceil(width / pixels)
        return 1, whole(math.ceil(width / parts), 4)
    return max(min(pixels // width, height), 1), width


def forward(
    inputs: Array, reduced: Array, span: Array, bias: Array, geometry: Geometry, softmax: bool
) -> Array:
    """The result for channels-last arrays; see `involbench.ops.fused_involution`."""
    fused = make_plan(inputs.shape[1:], reduced.shape[3], geometry, softmax, inputs.dtype)
    plan, loop = fused.plan, loops("strips").forward
    result = empty(geometry.output_shape(inputs.shape), inputs.dtype)
    arrays = [cpu.flat_array(each) for each in (inputs, reduced, fused.weights(span, bias), result)]
    threads = cpu.threads_for(len(inputs), plan.sizes, inputs.shape[3])

    def work(parts: Iterator[tuple[int, int]]) -> None:
        scratch = fused.scratch(forward=True)
        for first, last in parts:
            loop(*arrays, first, last, scratch, plan.sizes, fused.strip, plan.vectors)

    cpu.share(_parts(len(inputs), _MOST_PARTS), threads, work)
    return result


def gradients(
    inputs: Array,
    reduced: Array,
    span: Array,
    bias: Array,
    upstream: Array,
    geometry: Geometry,
    softmax: bool,
) -> tuple[Array, Array, Array, Array]:
    """The gradients of the inputs, the reduced features, the span and its bias."""
    fused = make_plan(inputs.shape[1:], reduced.shape[3], geometry, softmax, inputs.dtype)
    plan, loop = fused.plan, loops("strips").backward
    weights = fused.weights(span, bias)
    dx, dr = empty(inputs.shape, inputs.dtype), empty(reduced.shape, inputs.dtype)
    arrays = [cpu.flat_array(each) for each in (inputs, reduced, upstream)]
    spans = cpu.flat_array(weights), cpu.flat_array(fused.transposed(weights))
    results = cpu.flat_array(dx), cpu.flat_array(dr)
    size = fused.strip.features * fused.strip.entries
    total = _OrderedSum(size, inputs.dtype)
    parts = _parts(len(inputs), max(min(_SUMS_NUMBERS // size, _MOST_PARTS), _FEWEST_PARTS))
    threads = cpu.threads_for(len(inputs), plan.sizes, inputs.shape[3])

    def work(parts: Iterator[tuple[int, tuple[int, int]]]) -> None:
        scratch = fused.scratch(forward=False)
        for number, (first, last) in parts:
            sums = total.new()
            every = (scratch, plan.sizes, fused.strip, plan.vectors)
            loop(*arrays, spans, results, sums, first, last, *every)
            total.add(number, sums)

    cpu.share(list(enumerate(parts)), threads, work)
    return dx, dr, *fused.gradients(total.result)


def _parts(batch: int, most: int) -> list[tuple[int, int]]:
    return cpu.divided(batch, min(batch, most)) if batch else []


class _OrderedSum:
    """Adds arrays in the order of their numbers, whichever thread has one first."""

    def __init__(self, size: int, dtype: Any) -> None:
        self.result = np.zeros(size, dtype)
        self._waiting: dict[int, Array] = {}
        self._free: list[Array] = []
        self._next = 0
        self._lock = threading.Lock()

    def new(self) -> Array:
        """An array of zeros."""
        with self._lock:
            array = self._free.pop() if self._free else np.empty_like(self.result)
        array[:] = 0
        return array

    def add(self, number: int, array: Array) -> None:
        with self._lock:
            self._waiting[number] = array
            while self._next in self._waiting:
                done = self._waiting.pop(self._next)
                self.result += done
                self._free.append(done)
                self._next += 1
