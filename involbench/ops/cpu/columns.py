"""The involution and both its gradients for few channels a group: vectors over a row's columns.

As in `channels`, an image is gone through row by row, with a ring of padded rows. Here each
channel of a row is a plane of its own, and so is each tap of a row's kernels: what is side by side
in memory is a few channels and a few taps, which would leave vectors over them half empty.

Arrays are flat: images (B, H, W, C), kernels (B, H', W', groups, taps). Each function does images
`first` to `last - 1`, and different threads may do different images.
"""

from typing import Any, NamedTuple

from involbench.ops.cpu.layouts import (
    clear_row,
    from_planes,
    read_plane_rows,
    to_planes,
    write_plane_rows,
)
from involbench.ops.cpu.runtime import cached, part
from involbench.ops.cpu.vectors import add_product, get, load, store, zeros


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
    phase: int  # entries of all planes of a phase
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
    """A row of outputs or kernels into planes."""
    start = row * s.out_width * width
    to_planes(pixels, start, width, s.out_width, width, planes, s.front, s.line)


@part
def _write(planes, pixels, row, width, s):
    start = row * s.out_width * width
    from_planes(planes, s.front, s.line, pixels, start, width, s.out_width, width)


@cached
def forward(inputs, kernels, outputs, first, last, scratch, s, lanes):
    """The result, into `outputs`."""
    ring, line, planes, offsets, _, _, _ = scratch
    for image in range(first, last):
        read = 0
        for row in range(s.out_height):
            top, out = row * s.row_strides, image * s.out_height + row
            read_plane_rows(inputs, image, max(read, top), top + s.ring_height, ring, s, lanes)
            read = top + s.ring_height
            _read(kernels, out, s.groups * s.taps, planes, s)
            _forward_row(ring, offsets, top % s.ring_height * s.taps, planes, line, s, lanes)
            _write(line, outputs, out, s.channels, s)


@cached
def inputs_gradient(kernels, upstream, inputs, first, last, scratch, s, lanes):
    """The gradient by the inputs, into `inputs`."""
    ring, line, planes, _, phases, columns, shifts = scratch
    for image in range(first, last):
        for row in range(s.out_height):
            top, out = row * s.row_strides, image * s.out_height + row
            _read(kernels, out, s.groups * s.taps, planes, s)
            _read(upstream, out, s.channels, line, s)
            for tap_row in range(s.kernel_height):
                slot = (top + tap_row * s.row_dilation) % s.ring_height
                tap = tap_row * (s.taps // s.kernel_height)
                _inputs_row(ring, slot, planes, tap, line, phases, columns, shifts, s, lanes)
            end = top + s.row_strides if row + 1 < s.out_height else s.top + s.height
            # Rows that no tap reached are zero: the ring's slot was cleared before.
            write_plane_rows(ring, image, top, end, inputs, s, lanes)
        for row in range(s.ring_height):
            clear_row(ring, row, s, lanes)


@cached
def kernels_gradient(inputs, upstream, kernels, first, last, scratch, s, lanes):
    """The gradient by the kernels, into `kernels`."""
    ring, line, planes, offsets, _, _, _ = scratch
    for image in range(first, last):
        read = 0
        for row in range(s.out_height):
            top, out = row * s.row_strides, image * s.out_height + row
            read_plane_rows(inputs, image, max(read, top), top + s.ring_height, ring, s, lanes)
            read = top + s.ring_height
            _read(upstream, out, s.channels, line, s)
            _kernels_row(ring, offsets, top % s.ring_height * s.taps, planes, line, s, lanes)
            _write(planes, kernels, out, s.groups * s.taps, s)
