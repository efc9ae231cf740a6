"""The involution and both its gradients as loops over pixels, with vectors over a row's columns.

For groups of few channels, which would leave vectors over the channels half empty. As in
`channels`, a ring holds the padded rows that one output row reaches. Each channel of a row is a
plane, and so is each tap of a row's kernels (see `layouts`).

Arrays are flat: images (B, H, W, C), kernels (B, H', W', groups, taps). Each function computes
images `first` to `last - 1`; different threads may compute different images.
"""

from typing import Any, NamedTuple

from involbench.ops.cpu.layouts import (
    clear,
    from_planes,
    read_plane_rows,
    to_planes,
    write_plane_rows,
)
from involbench.ops.cpu.vectors import add_product, cached, get, load, part, store, zeros


class Scratch(NamedTuple):
    """Arrays that one call writes in, and tables that it reads."""

    ring: Any  # (ring_height, phases, channels, plane), zeros at the start
    line: Any  # (channels, line): one row of outputs, zeros at the start
    kernels: Any  # (groups, taps, line): one row's kernels, zeros at the start
    offsets: Any  # (ring_height, taps): for each row that is the first, the taps' distances
    phases: Any  # (phases + 1): where each phase's taps begin in the next two
    columns: Any  # the column of a kernel that each tap is in
    shifts: Any  # how far it is shifted within its phase


@part
def _forward_row(ring, offsets, tap, kernels, line, s, lanes):
    for group in range(s.groups):
        kernel = group * s.taps * s.line + s.front
        for member in range(s.members):
            channel = group * s.group_step + member * s.member_step
            at, to = channel * s.plane, channel * s.line + s.front
            for column in range(0, s.out_width, len(lanes)):
                total = zeros(ring, lanes)
                for k in range(s.taps):
                    h = load(kernels, kernel + k * s.line + column, lanes)
                    x = load(ring, at + get(offsets, tap + k) + column, lanes)
                    total = add_product(total, h, x)
                store(line, to + column, total)


@part
def _inputs_row(ring, row, kernels, first, line, phases, columns, shifts, s, lanes):
    for phase in range(s.column_strides):
        begin, end = get(phases, phase), get(phases, phase + 1)
        to = (row * s.column_strides + phase) * s.phase
        for group in range(s.groups):
            kernel = (group * s.taps + first) * s.line + s.front
            for member in range(s.members):
                channel = group * s.group_step + member * s.member_step
                at = to + channel * s.plane
                upstream = channel * s.line + s.front
                for column in range(0, s.plane, len(lanes)):
                    total = load(ring, at + column, lanes)
                    for k in range(begin, end):
                        shifted = column - get(shifts, k)
                        h = load(kernels, kernel + get(columns, k) * s.line + shifted, lanes)
                        dy = load(line, upstream + shifted, lanes)
                        total = add_product(total, h, dy)
                    store(ring, at + column, total)


@part
def _kernels_row(ring, offsets, tap, kernels, line, s, lanes):
    for group in range(s.groups):
        first = group * s.group_step
        for k in range(s.taps):
            to = (group * s.taps + k) * s.line + s.front
            for column in range(0, s.out_width, len(lanes)):
                at = first * s.plane + get(offsets, tap + k) + column
                upstream = first * s.line + s.front + column
                total = zeros(ring, lanes)
                for _ in range(s.members):
                    total = add_product(total, load(line, upstream, lanes), load(ring, at, lanes))
                    upstream += s.member_step * s.line
                    at += s.member_step * s.plane
                store(kernels, to + column, total)


@part
def _read(pixels, row, width, planes, s):
    """Copy a row of outputs or kernels into planes."""
    start = row * s.out_width * width
    to_planes(pixels, start, width, s.out_width, width, planes, s.front, s.line)


@part
def _write(planes, pixels, row, width, s):
    """Copy planes into a row of outputs or kernels."""
    start = row * s.out_width * width
    from_planes(planes, s.front, s.line, pixels, start, width, s.out_width, width)


@cached
def forward(inputs, kernels, outputs, first, last, scratch, s, lanes):
    """Compute the result, into `outputs`."""
    ring, line, planes, offsets, _, _, _ = scratch
    for image in range(first, last):
        for row in range(s.out_height):
            out, tap = image * s.out_height + row, row * s.row_strides % s.ring_height * s.taps
            read_plane_rows(inputs, image, row, ring, s, lanes)
            _read(kernels, out, s.groups * s.taps, planes, s)
            _forward_row(ring, offsets, tap, planes, line, s, lanes)
            _write(line, outputs, out, s.channels, s)


@cached
def inputs_gradient(kernels, upstream, inputs, first, last, scratch, s, lanes):
    """Compute the gradient by the inputs, into `inputs`."""
    ring, line, planes, _, phases, columns, shifts = scratch
    for image in range(first, last):
        for row in range(s.out_height):
            out = image * s.out_height + row
            _read(kernels, out, s.groups * s.taps, planes, s)
            _read(upstream, out, s.channels, line, s)
            for tap_row in range(s.kernel_height):
                ring_row = (row * s.row_strides + tap_row * s.row_dilation) % s.ring_height
                tap = tap_row * (s.taps // s.kernel_height)
                _inputs_row(ring, ring_row, planes, tap, line, phases, columns, shifts, s, lanes)
            write_plane_rows(ring, image, row, inputs, s, lanes)
        clear(ring, 0, s.ring_height * s.column_strides * s.phase, lanes)


@cached
def kernels_gradient(inputs, upstream, kernels, first, last, scratch, s, lanes):
    """Compute the gradient by the kernels, into `kernels`."""
    ring, line, planes, offsets, _, _, _ = scratch
    for image in range(first, last):
        for row in range(s.out_height):
            out, tap = image * s.out_height + row, row * s.row_strides % s.ring_height * s.taps
            read_plane_rows(inputs, image, row, ring, s, lanes)
            _read(upstream, out, s.channels, line, s)
            _kernels_row(ring, offsets, tap, planes, line, s, lanes)
            _write(planes, kernels, out, s.groups * s.taps, s)
