"""Rows of pixels on their way between images and planes, in which a channel's columns lie together.

The ring holds `ring_height` padded rows; row r of the padded image is row r % ring_height of it.
Each is (phases, channels, plane): column p of the padded image is entry p // column_strides of
phase p % column_strides, so that a tap's columns are side by side whatever the strides are. A
line holds planes too, each of `line` entries with zeros around those of the output's columns.
Channels of a group are next to each other in both. `s` are `involbench.ops.cpu_columns.Sizes`.
"""

from involbench.ops.cpu_compiled import part
from involbench.ops.cpu_vectors import get, put, store, zeros


@part
def read_line(images, start, line, s):
    """A row of output pixels into planes."""
    for channel in range(s.channels):
        group, member = divmod(channel, s.members)
        at = start + group * s.group_step + member * s.member_step
        to = channel * s.line + s.front
        for column in range(s.out_width):
            put(line, to + column, get(images, at + column * s.channels))


@part
def write_line(line, images, start, s):
    """A row of output pixels out of planes."""
    for channel in range(s.channels):
        group, member = divmod(channel, s.members)
        to = start + group * s.group_step + member * s.member_step
        at = channel * s.line + s.front
        for column in range(s.out_width):
            put(images, to + column * s.channels, get(line, at + column))


@part
def read_kernels(kernels, start, planes, s):
    """A row's kernels into planes, one a tap and group."""
    count = s.groups * s.taps
    for column in range(s.out_width):
        at = start + column * count
        to = s.front + column
        for tap in range(count):
            put(planes, to + tap * s.line, get(kernels, at + tap))


@part
def write_kernels(planes, kernels, start, s):
    """A row's kernels out of planes."""
    count = s.groups * s.taps
    for column in range(s.out_width):
        to = start + column * count
        at = s.front + column
        for tap in range(count):
            put(kernels, to + tap, get(planes, at + tap * s.line))


@part
def clear_row(ring, row, s, lanes):
    """Zeros, of which a row of the ring has whole vectors."""
    size = s.column_strides * s.channels * s.plane
    for at in range(row * size, (row + 1) * size, len(lanes)):
        store(ring, at, zeros(ring, lanes))


@part
def read_rows(images, image, first, last, ring, s, lanes):
    """Padded rows `first` to `last - 1` of an image into the ring."""
    for padded in range(first, last):
        row = padded % s.ring_height
        if s.top <= padded < s.top + s.height:
            start = (image * s.height + padded - s.top) * s.width * s.channels
            for phase in range(s.column_strides):
                column = (phase - s.left) % s.column_strides
                to = (row * s.column_strides + phase) * s.channels * s.plane
                to += (s.left + column) // s.column_strides
                read_phase(images, start, column, ring, to, s)
        else:
            clear_row(ring, row, s, lanes)


@part
def read_phase(images, start, first, ring, to, s):
    for channel in range(s.channels):
        group, member = divmod(channel, s.members)
        at = start + group * s.group_step + member * s.member_step
        entry = to + channel * s.plane
        for column in range(first, s.width, s.column_strides):
            put(ring, entry, get(images, at + column * s.channels))
            entry += 1


@part
def write_rows(ring, image, first, last, images, s, lanes):
    """Padded rows `first` to `last - 1` out of the ring, which is zero there then."""
    for padded in range(first, last):
        row = padded % s.ring_height
        if s.top <= padded < s.top + s.height:
            start = (image * s.height + padded - s.top) * s.width * s.channels
            for phase in range(s.column_strides):
                column = (phase - s.left) % s.column_strides
                at = (row * s.column_strides + phase) * s.channels * s.plane
                at += (s.left + column) // s.column_strides
                write_phase(ring, at, images, start, column, s)
        clear_row(ring, row, s, lanes)


@part
def write_phase(ring, at, images, start, first, s):
    for channel in range(s.channels):
        group, member = divmod(channel, s.members)
        to = start + group * s.group_step + member * s.member_step
        entry = at + channel * s.plane
        for column in range(first, s.width, s.column_strides):
            put(images, to + column * s.channels, get(ring, entry))
            entry += 1
