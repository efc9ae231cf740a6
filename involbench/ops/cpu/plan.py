"""What the compiled loops get: sizes and tables of an image and a geometry, and memory.

Numba is only imported when loops are first needed: it is slow to import, may be missing, and
computing on a GPU needs none of it.
"""

import functools
import importlib
import math
import sys
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from involbench.ops.geometry import Geometry

# Up to so many channels a group, vectors over the columns need less time than vectors over them.
_FEW_MEMBERS = 7
# A cache line: vectors that begin with one stay within it, and TensorFlow need not copy the array.
_LINE_BYTES = 64
_SMALL_BYTES = 2**18
_KEPT_BYTES = 2**26

_kept: list[np.ndarray[Any, Any]] = []
_lock = threading.Lock()


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An uninitialized array that begins where a cache line does.

    A fresh array costs as much as computing its content, since the system clears its pages one by
    one. So up to 64 MiB of arrays that nothing refers to any more are used again.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    enough = size + _LINE_BYTES
    block = np.empty(enough, np.uint8) if size < _SMALL_BYTES else _block(enough)
    skip = -block.ctypes.data % _LINE_BYTES
    return block[skip : skip + size].view(dtype).reshape(shape)


def release() -> None:
    """Free the memory that is kept to be used again."""
    with _lock:
        _kept.clear()


def _block(size: int) -> np.ndarray[Any, Any]:
    with _lock:
        for at in reversed(range(len(_kept))):
            # A free one has two references: the list's, and that of this expression.
            if len(_kept[at]) == size and sys.getrefcount(_kept[at]) == 2:
                _kept.append(_kept.pop(at))
                return _kept[-1]
        _kept.append(np.empty(size, np.uint8))
        block = _kept[-1]
        while len(_kept) > 1 and sum(map(len, _kept)) > _KEPT_BYTES:
            del _kept[0]
        return block


@dataclass(frozen=True)
class Plan:
    """The loops that suit the images of a size, and their arguments."""

    loops: ModuleType
    sizes: Any
    vectors: Any
    """Tuples as long as the loops' vectors."""
    dtype: Any
    shapes: dict[str, int]
    tables: dict[str, Any]

    def scratch(self) -> Any:
        """Arrays for one thread to write in, set to zero."""
        arrays = {name: empty((size,), self.dtype) for name, size in self.shapes.items()}
        for array in arrays.values():
            array[:] = 0
        return self.loops.Scratch(**arrays, **self.tables)


@functools.lru_cache(maxsize=256)
def make_plan(image: tuple[int, ...], geometry: Geometry, dtype: Any) -> Plan:
    """The plan for images (H, W, C), channels last, of float32 or float64."""
    few = image[2] // geometry.groups <= _FEW_MEMBERS
    return (_over_columns if few else over_channels)(image, geometry, dtype)


def loops(name: str) -> ModuleType:
    """The module `channels`, `columns` or `layouts`.

    Raises:
        ImportError: Numba is missing, or does not fit another package.
    """
    return importlib.import_module(f"involbench.ops.cpu.{name}")


def over_channels(image: tuple[int, ...], geometry: Geometry, dtype: Any) -> Plan:
    """The plan with vectors over the channels of a group."""
    width, columns = image[1], geometry.columns
    common, lanes = _sizes(image, geometry), _LINE_BYTES // dtype.itemsize
    sizes = loops("layouts").Sizes(
        **common,
        padded_members=whole(common["members"], lanes),
        ring_width=max(columns.extent(width), common["left"] + width),
    )
    pixel = sizes.groups * sizes.padded_members
    row, column = _tap_offsets(geometry)
    places = _ring_rows(sizes, row) * sizes.ring_width + column
    shapes = {
        "ring": sizes.ring_height * sizes.ring_width * pixel,
        "line": sizes.out_width * pixel,
        "kernels": sizes.out_width * sizes.groups * sizes.taps + 4,
    }
    offsets = np.pad(places * pixel, ((0, 0), (0, 3)), mode="edge")
    tables = {"offsets": _table(offsets)}
    group = lanes if sizes.padded_members == lanes else 0
    vectors = loops("channels").Vectors((0,) * lanes, (0,) * (lanes // 2), (0,) * group)
    return Plan(loops("channels"), sizes, vectors, dtype, shapes, tables)


def _over_columns(image: tuple[int, ...], geometry: Geometry, dtype: Any) -> Plan:
    width, channels, columns = image[1], image[2], geometry.columns
    common, lanes = _sizes(image, geometry), _LINE_BYTES // dtype.itemsize
    square = loops("layouts").SQUARE
    step, reach = columns.strides, columns.offset(columns.kernel_size - 1) // columns.strides
    last = (common["left"] + width - 1) // step
    plane = whole(max(reach + whole(common["out_width"], lanes), last + 1), lanes)
    sizes = loops("layouts").Sizes(
        **common,
        kernel_height=geometry.rows.kernel_size,
        row_dilation=geometry.rows.dilation,
        plane=plane,
        phase=whole(channels, square) * plane,
        front=whole(reach, lanes),
        line=whole(reach, lanes) + plane,
    )
    shapes = {
        "ring": sizes.ring_height * step * sizes.phase,
        "line": whole(channels, square) * sizes.line,
        "kernels": whole(sizes.groups * sizes.taps, square) * sizes.line,
    }
    tables = _column_tables(sizes, geometry)
    return Plan(loops("columns"), sizes, (0,) * lanes, dtype, shapes, tables)


def _column_tables(sizes: Any, geometry: Geometry) -> dict[str, Any]:
    step = geometry.columns.strides
    row, column = _tap_offsets(geometry)
    places = (_ring_rows(sizes, row) * step + column % step) * sizes.phase
    reached = np.array([geometry.columns.offset(k) for k in range(geometry.columns.kernel_size)])
    order = np.argsort(reached % step, kind="stable")
    return {
        "offsets": _table(places + column // step),
        "phases": _table(np.searchsorted((reached % step)[order], np.arange(step + 1))),
        "columns": _table(order),
        "shifts": _table(reached[order] // step),
    }


def _sizes(image: tuple[int, ...], geometry: Geometry) -> dict[str, int]:
    """The sizes that both kinds of loops need."""
    (height, width, channels), rows, columns = image, geometry.rows, geometry.columns
    members = channels // geometry.groups
    contiguous = geometry.group_layout == "contiguous" or geometry.groups == 1
    return {
        "height": height,
        "width": width,
        "out_height": rows.out_size(height),
        "out_width": columns.out_size(width),
        "row_strides": rows.strides,
        "column_strides": columns.strides,
        "top": rows.before(height),
        "left": columns.before(width),
        "channels": channels,
        "groups": geometry.groups,
        "members": members,
        "group_step": members if contiguous else 1,
        "member_step": 1 if contiguous or members == 1 else geometry.groups,
        "taps": rows.kernel_size * columns.kernel_size,
        "ring_height": rows.offset(rows.kernel_size - 1) + 1,
    }


def _tap_offsets(geometry: Geometry) -> tuple[Any, Any]:
    """The distances of all taps from the first one, in rows and in columns."""
    rows = np.array([geometry.rows.offset(row) for row, _ in geometry.taps])
    columns = np.array([geometry.columns.offset(column) for _, column in geometry.taps])
    return rows, columns


def _ring_rows(sizes: Any, rows: Any) -> Any:
    """For each row of the ring that may be the first, the rows that are `rows` after it."""
    return (np.arange(sizes.ring_height)[:, None] + rows) % sizes.ring_height


def _table(array: Any) -> Any:
    return array.astype(np.intp).reshape(-1)


def whole(count: int, lanes: int) -> int:
    """`count`, rounded up to a multiple of `lanes`."""
    return -(-count // lanes) * lanes
