"""The involution and both its gradients for few channels a group: vectors over a row's columns.

As in `cpu_channels`, an image is gone through row by row, with a ring of padded rows. Here each
channel of a row is a plane of its own, and so is each tap of a row's kernels: what is side by side
in memory is a few channels and a few taps, which would leave vectors over them half empty.

Arrays are flat: images (B, H, W, C), kernels (B, H', W', groups, taps). Each function does images
`first` to `last - 1`, and different threads may do different images.
"""

from typing import Any, NamedTuple

from involbench.ops.cpu_compiled import cached, part
from involbench.ops.cpu_planes import (
    clear_row,
    read_kernels,
    read_line,
    read_rows,
    write_kernels,
    write_line,
    write_rows,
)
from involbench.ops.cpu_vectors import add_product, get, load, store, zeros


class Sizes(NamedTuple):
    """What the loops must know; integers all."""

    height: int  # of the inputs
    width: int
    out_height: int  # of the result
    out_width: int
    row_strides: int
    column_strides: int
    top: int  # zeros above the image
    left: int
    channels: int
    groups: int
    members: int  # channels of a group
    group_step: int  # from a group's first channel to the next group's
    member_step: int  # from a channel to the next one of its group
    kernel_height: int
    row_dilation: int
    taps: int
    ring_height: int
    plane: int  # entries of a channel's plane in the ring; whole vectors
    front: int  # zeros at the start of a plane of a line: as many as a tap is shifted at most
    line: int  # entries of a plane of a line


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
    for channel in range(s.channels):
        kernel = channel // s.members * s.taps * s.line + s.front
        at, to = channel * s.plane, channel * s.line + s.front
        for column in range(0, s.out_width, len(lanes)):
            total = zeros(ring, lanes)
            for k in range(s.taps):
                h = load(kernels, kernel + k * s.line + column, lanes)
                x = load(ring, at + get(offsets, tap + k) + column, lanes)
                total = add_product(total, h, x)
            store(line, to + column, total)


@part
def _inputs_row(scratch, top, s, lanes):
    wide = s.taps // s.kernel_height
    for row in range(s.kernel_height):
        slot = (top + row * s.row_dilation) % s.ring_height
        for phase in range(s.column_strides):
            begin, end = get(scratch.phases, phase), get(scratch.phases, phase + 1)
            to = (slot * s.column_strides + phase) * s.channels * s.plane
            for channel in range(s.channels):
                kernel = (channel // s.members * s.taps + row * wide) * s.line + s.front
                dy = channel * s.line + s.front
                _inputs_plane(scratch, to + channel * s.plane, kernel, dy, begin, end, s, lanes)


@part
def _inputs_plane(scratch, to, kernel, upstream, begin, end, s, lanes):
    for column in range(0, s.plane, len(lanes)):
        total = load(scratch.ring, to + column, lanes)
        for k in range(begin, end):
            at = column - get(scratch.shifts, k)
            h = load(scratch.kernels, kernel + get(scratch.columns, k) * s.line + at, lanes)
            dy = load(scratch.line, upstream + at, lanes)
            total = add_product(total, h, dy)
        store(scratch.ring, to + column, total)


@part
def _kernels_row(ring, offsets, tap, kernels, line, s, lanes):
    for group in range(s.groups):
        for k in range(s.taps):
            at = group * s.members * s.plane + get(offsets, tap + k)
            dy = group * s.members * s.line + s.front
            to = (group * s.taps + k) * s.line + s.front
            for column in range(0, s.out_width, len(lanes)):
                total = zeros(ring, lanes)
                for member in range(s.members):
                    x = load(ring, at + member * s.plane + column, lanes)
                    total = add_product(total, load(line, dy + member * s.line + column, lanes), x)
                store(kernels, to + column, total)


@cached
def forward(inputs, kernels, outputs, first, last, scratch, s, lanes):
    """The result, into `outputs`."""
    for image in range(first, last):
        read = 0
        for row in range(s.out_height):
            top = row * s.row_strides
            read_rows(inputs, image, max(read, top), top + s.ring_height, scratch.ring, s, lanes)
            read = top + s.ring_height
            out = (image * s.out_height + row) * s.out_width
            read_kernels(kernels, out * s.groups * s.taps, scratch.kernels, s)
            tap = top % s.ring_height * s.taps
            _forward_row(
                scratch.ring, scratch.offsets, tap, scratch.kernels, scratch.line, s, lanes
            )
            write_line(scratch.line, outputs, out * s.channels, s)


@cached
def inputs_gradient(kernels, upstream, inputs, first, last, scratch, s, lanes):
    """The gradient by the inputs, into `inputs`."""
    for image in range(first, last):
        for row in range(s.out_height):
            top = row * s.row_strides
            out = (image * s.out_height + row) * s.out_width
            read_kernels(kernels, out * s.groups * s.taps, scratch.kernels, s)
            read_line(upstream, out * s.channels, scratch.line, s)
            _inputs_row(scratch, top, s, lanes)
            end = top + s.row_strides if row + 1 < s.out_height else s.top + s.height
            # Rows that no tap reached are zero: the ring's slot was cleared before.
            write_rows(scratch.ring, image, top, end, inputs, s, lanes)
        for row in range(s.ring_height):
            clear_row(scratch.ring, row, s, lanes)


@cached
def kernels_gradient(inputs, upstream, kernels, first, last, scratch, s, lanes):
    """The gradient by the kernels, into `kernels`."""
    for image in range(first, last):
        read = 0
        for row in range(s.out_height):
            top = row * s.row_strides
            read_rows(inputs, image, max(read, top), top + s.ring_height, scratch.ring, s, lanes)
            read = top + s.ring_height
            out = (image * s.out_height + row) * s.out_width
            read_line(upstream, out * s.channels, scratch.line, s)
            tap = top % s.ring_height * s.taps
            _kernels_row(
                scratch.ring, scratch.offsets, tap, scratch.kernels, scratch.line, s, lanes
            )
            write_kernels(scratch.kernels, kernels, out * s.groups * s.taps, s)
