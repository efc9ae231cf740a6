"""The involution and both its gradients as sums over shifted views, for any Keras backend.

Arrays keep their layout. With the groups split off, inputs are (B, H, W, G, M), or (B, H, W, M, G)
where the groups are interleaved, or the same with both channel axes before the spatial ones
(`channels_first`); M is the number of channels of a group. Each tap of the kernels is then a
factor that broadcasts over M. Patches are never built: every sum is accumulated tap by tap.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from involbench.ops.geometry import Axis, Geometry, maximum

Window = tuple[Any, Any, int]
"""What one tap views along an axis: the start, how many entries, and the step between them."""


def forward(inputs: Any, kernels: Any, geometry: Geometry) -> Any:
    """The result, of the shape and type that `involution` documents."""
    h, total = wide(kernels), None
    for tap, view in enumerate(_views(inputs, geometry)):
        term = view * factor(h, tap, geometry)
        total = term if total is None else total + term
    return ops.cast(join_groups(total, geometry), inputs.dtype)


def inputs_gradient(
    shape: Any,
    kernels: Any,
    upstream: Any,
    geometry: Geometry,
    materialize: Callable[[Any], Any] = lambda x: x,
    tap_by_tap: bool = False,
) -> Any:
    """The gradient by the inputs, whose shape is `shape`.

    `materialize` may make a compiler write an array that it would otherwise compute at every use.
    With `tap_by_tap`, each tap of the kernels is padded where it is read, so that a compiler needs
    no padded copy of all taps.

    With strides s, only taps whose offset is p modulo s reach padded pixel s*u + p. So each phase p
    is a sum over shifted views, and the phases are interleaved.
    """
    height, width = geometry.spatial(shape)
    dy, h = split_groups(wide(upstream), geometry), wide(kernels)
    rows, columns = _Phases(geometry.rows, height), _Phases(geometry.columns, width)

    def padded(x: Any) -> Any:
        return pad(x, rows.padding, columns.padding, geometry)

    dy, h = materialize(padded(dy)), h if tap_by_tap else materialize(padded(h))

    def padded_factor(tap: int) -> Any:
        one = factor(h, tap, geometry)
        return padded(one) if tap_by_tap else one

    planes = [
        [
            _phase(dy, padded_factor, (row, column), (rows, columns), geometry)
            for column in columns.phases
        ]
        for row in rows.phases
    ]
    axis = _row_axis(geometry)
    joined = [_interleave(plane, axis + 1) for plane in planes]
    x = _interleave(joined, axis)
    if geometry.rows.strides > 1 or geometry.columns.strides > 1:
        x = window(x, (rows.crop, height, 1), (columns.crop, width, 1), geometry)
    return ops.cast(join_groups(x, geometry), upstream.dtype)


def kernels_gradient(
    inputs: Any,
    upstream: Any,
    geometry: Geometry,
    sum_over: Callable[[Any, int], Any] = ops.sum,
) -> Any:
    """The gradient by the kernels; `sum_over` sums an array over an axis."""
    dy, axis = split_groups(wide(upstream), geometry), member_axis(geometry)
    sums = [sum_over(view * dy, axis) for view in _views(inputs, geometry)]
    tap_axis = 4 if geometry.channels_last else 2
    return ops.cast(ops.stack(sums, axis=tap_axis), upstream.dtype)


def _views(inputs: Any, geometry: Geometry) -> Iterator[Any]:
    """For each tap, the pixels that it multiplies at all output pixels; groups split off."""
    height, width = geometry.spatial(ops.shape(inputs))
    rows, columns = geometry.rows, geometry.columns
    x = pad_image(split_groups(wide(inputs), geometry), height, width, geometry)
    out = rows.out_size(height), columns.out_size(width)
    for row, column in geometry.taps:
        at_row = (rows.offset(row), out[0], rows.strides)
        at_column = (columns.offset(column), out[1], columns.strides)
        yield window(x, at_row, at_column, geometry)


def split_groups(x: Any, geometry: Geometry) -> Any:
    """Channels C as two axes, (G, M) or, interleaved, (M, G)."""
    shape = list(ops.shape(x))
    axis = 3 if geometry.channels_last else 1
    members = x.shape[axis] // geometry.groups
    pair = [geometry.groups, members]
    shape[axis : axis + 1] = pair if geometry.group_layout == "contiguous" else pair[::-1]
    return ops.reshape(x, shape)


def join_groups(x: Any, geometry: Geometry) -> Any:
    shape = list(ops.shape(x))
    axis = 3 if geometry.channels_last else 1
    shape[axis : axis + 2] = [x.shape[axis] * x.shape[axis + 1]]
    return ops.reshape(x, shape)


def member_axis(geometry: Geometry) -> int:
    """The axis M of inputs with groups split off."""
    first = 3 if geometry.channels_last else 1
    return first + 1 if geometry.group_layout == "contiguous" else first


def factor(kernels: Any, tap: int, geometry: Geometry) -> Any:
    """One tap of the kernels, which broadcasts over inputs with groups split off."""
    one = kernels[..., tap] if geometry.channels_last else kernels[:, :, tap]
    return ops.expand_dims(one, member_axis(geometry))


def pad(x: Any, rows: tuple[Any, Any], columns: tuple[Any, Any], geometry: Geometry) -> Any:
    """Zeros around the image."""
    widths: list[tuple[Any, Any]] = [(0, 0)] * len(x.shape)
    axis = _row_axis(geometry)
    widths[axis], widths[axis + 1] = rows, columns
    return ops.pad(x, widths)


def pad_image(x: Any, height: Any, width: Any, geometry: Geometry) -> Any:
    """Zeros around an image of `height` and `width`, as far as some tap reaches."""
    rows, columns = geometry.rows, geometry.columns
    row_padding = rows.before(height), rows.after(height)
    return pad(x, row_padding, (columns.before(width), columns.after(width)), geometry)


def window(x: Any, rows: Window, columns: Window, geometry: Geometry) -> Any:
    """The rows and columns of a window."""
    row, column = _slice(*rows), _slice(*columns)
    return x[:, row, column] if geometry.channels_last else x[..., row, column]


class _Phases:
    """Along one axis: what each tap views of the upstream gradient, phase by phase."""

    def __init__(self, axis: Axis, size: Any) -> None:
        self.axis = axis
        before, step = axis.before(size), axis.strides
        self.phases = range(step)
        first = before // step
        self.count = -(-(before + size) // step) - first
        self.crop = before - first * step
        reach = axis.offset(axis.kernel_size - 1) // step
        self.start = maximum(first, reach)
        self.padding = self.start - first, maximum(first + self.count - axis.out_size(size), 0)

    def window(self, tap: int) -> Window:
        return self.start - self.axis.offset(tap) // self.axis.strides, self.count, 1

    def taps(self, phase: int) -> list[int]:
        every = range(self.axis.kernel_size)
        return [tap for tap in every if self.axis.offset(tap) % self.axis.strides == phase]


def _phase(
    dy: Any,
    factor_of: Callable[[int], Any],
    phase: tuple[int, int],
    axes: tuple[_Phases, _Phases],
    geometry: Geometry,
) -> Any:
    rows, columns = axes
    total = None
    for row in rows.taps(phase[0]):
        for column in columns.taps(phase[1]):
            at = rows.window(row), columns.window(column)
            tap = row * geometry.columns.kernel_size + column
            term = window(dy, *at, geometry) * window(factor_of(tap), *at, geometry)
            total = term if total is None else total + term
    if total is None:  # The strides are larger than the taps reach: no kernel touches these pixels.
        total = ops.zeros_like(window(dy, (0, rows.count, 1), (0, columns.count, 1), geometry))
    return total


def _interleave(planes: list[Any], axis: int) -> Any:
    """Planes p of length n along `axis`, as one array whose entry n*s + p is entry n of p."""
    if len(planes) == 1:
        return planes[0]
    stacked = ops.stack(planes, axis=axis + 1 if axis >= 0 else axis + len(planes[0].shape) + 1)
    shape = list(ops.shape(planes[0]))
    shape[axis] = shape[axis] * len(planes)
    return ops.reshape(stacked, shape)


def _row_axis(geometry: Geometry) -> int:
    return 1 if geometry.channels_last else -2


def _slice(start: Any, count: Any, step: int) -> slice:
    return slice(start, start + (count - 1) * step + 1, step if step > 1 else None)


def wide(x: Any) -> Any:
    """Cast 16-bit types to float32, in which they are accumulated."""
    wide = "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"
    return ops.cast(x, wide)
