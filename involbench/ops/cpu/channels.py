"""The involution and both its gradients as loops over pixels, with vectors over the channels.

All three go through an image row by row and multiply each kernel where it lies, while a few padded
rows of the image, those that the taps of one output row reach, are kept in a ring that fits the
processor's cache. In the ring, zeros fill each group up to whole vectors (see `layouts`), so no tap
needs to know borders, group layouts or odd numbers of channels.

    forward           y  = sum over the taps of kernel * ring
    inputs_gradient   ring += kernel * dy at every tap, and rows that no further tap reaches leave
    kernels_gradient  each tap = sum over the channels of dy * ring

Arrays are flat: images (B, H, W, C), kernels (B, H', W', groups, taps). Each function computes
images `first` to `last - 1`; different threads may compute different images.
"""

from typing import Any, NamedTuple

from involbench.ops.cpu.layouts import clear, copy, pad_groups, read_rows, unpad_groups, write_rows
from involbench.ops.cpu.vectors import (
    add,
    add_product,
    cached,
    get,
    load,
    part,
    store,
    sums_of_four,
    zeros,
)


class Vectors(NamedTuple):
    """Tuples of which only the lengths matter: as parts of their type, the compiler knows them."""

    lanes: tuple[int, ...]
    half: tuple[int, ...]  # half as many, for sums over lanes: most CPUs have no longer vectors
    group: tuple[int, ...]  # as long as a padded group where that is one vector: no loop is left


class Scratch(NamedTuple):
    """Arrays that one call writes in, and a table that it reads."""

    ring: Any  # (ring_height, ring_width, groups, padded_members), zeros at the start
    line: Any  # (out_width, groups, padded_members): one output row
    kernels: Any  # (out_width, groups, taps) and room for one more vector of four
    offsets: Any  # (ring_height, taps + 3): for each row that is the first, the taps' distances


@part
def _padded_members(s, v):
    return len(v.group) if len(v.group) else s.padded_members


@part
def row_starts(image, row, s):
    """Where an output row starts: its groups in the result, its taps in `Scratch.offsets`."""
    groups = (image * s.out_height + row) * s.out_width * s.groups
    return groups, row * s.row_strides % s.ring_height * (s.taps + 3)


@part
def forward_pixel(ring, offsets, tap, kernels, kernel, line, column, s, v):
    """The result at one column, into `line`, by the kernels from `kernel` on."""
    padded, lanes = _padded_members(s, v), v.lanes
    for group in range(s.groups):
        for member in range(0, padded, len(lanes)):
            at = (column * s.column_strides * s.groups + group) * padded + member
            even, odd = zeros(ring, lanes), zeros(ring, lanes)
            for k in range(0, s.taps - 1, 2):
                x = load(ring, at + get(offsets, tap + k), lanes)
                even = add_product(even, get(kernels, kernel + k), x)
                x = load(ring, at + get(offsets, tap + k + 1), lanes)
                odd = add_product(odd, get(kernels, kernel + k + 1), x)
            # The number of taps is odd.
            x = load(ring, at + get(offsets, tap + s.taps - 1), lanes)
            even = add_product(even, get(kernels, kernel + s.taps - 1), x)
            store(line, (column * s.groups + group) * padded + member, add(even, odd))
        kernel += s.taps


@part
def inputs_pixel(ring, offsets, tap, kernels, kernel, line, column, s, v):
    """Add what one column of `line` gives to the gradient by the inputs, to the ring."""
    padded, lanes = _padded_members(s, v), v.lanes
    for group in range(s.groups):
        for member in range(0, padded, len(lanes)):
            at = (column * s.column_strides * s.groups + group) * padded + member
            dy = load(line, (column * s.groups + group) * padded + member, lanes)
            for k in range(s.taps):
                to = at + get(offsets, tap + k)
                total = load(ring, to, lanes)
                store(ring, to, add_product(total, get(kernels, kernel + k), dy))
        kernel += s.taps


@part
def kernels_pixel(ring, offsets, tap, kernels, kernel, line, column, s, v):
    """The gradient by the kernels of one column, into `kernels`, and up to three numbers more."""
    padded, lanes = _padded_members(s, v), v.half
    for group in range(s.groups):
        at = (column * s.column_strides * s.groups + group) * padded
        pixel = (column * s.groups + group) * padded
        for k in range(0, s.taps, 4):
            at_a, at_b = at + get(offsets, tap + k), at + get(offsets, tap + k + 1)
            at_c, at_d = at + get(offsets, tap + k + 2), at + get(offsets, tap + k + 3)
            a = b = c = d = zeros(ring, lanes)
            for first in range(0, padded, len(v.lanes)):
                # Both halves are written out: groups mostly are one vector, and no loop is left.
                for half in (0, len(lanes)):
                    member = first + half
                    dy = load(line, pixel + member, lanes)
                    a = add_product(a, dy, load(ring, at_a + member, lanes))
                    b = add_product(b, dy, load(ring, at_b + member, lanes))
                    c = add_product(c, dy, load(ring, at_c + member, lanes))
                    d = add_product(d, dy, load(ring, at_d + member, lanes))
            # The first sums of the next kernel overwrite those beyond the last tap.
            store(kernels, kernel + k, sums_of_four(a, b, c, d))
        kernel += s.taps


@cached
def forward(inputs, kernels, outputs, first, last, scratch, s, v):
    """Compute the result, into `outputs`."""
    ring, line, _, offsets = scratch
    for image in range(first, last):
        for row in range(s.out_height):
            read_rows(inputs, image, row, ring, s, v.lanes)
            out, tap = row_starts(image, row, s)
            for column in range(s.out_width):
                kernel = (out + column * s.groups) * s.taps
                forward_pixel(ring, offsets, tap, kernels, kernel, line, column, s, v)
            unpad_groups(line, 0, outputs, out * s.members, s.out_width, s, v.lanes)


@cached
def inputs_gradient(kernels, upstream, inputs, first, last, scratch, s, v):
    """Compute the gradient by the inputs, into `inputs`."""
    ring, line, _, offsets = scratch
    for image in range(first, last):
        for row in range(s.out_height):
            out, tap = row_starts(image, row, s)
            pad_groups(upstream, out * s.members, line, 0, s.out_width, s, v.lanes)
            for column in range(s.out_width):
                kernel = (out + column * s.groups) * s.taps
                inputs_pixel(ring, offsets, tap, kernels, kernel, line, column, s, v)
            write_rows(ring, image, row, inputs, s, v.lanes)
        clear(ring, 0, s.ring_height * s.ring_width * s.groups * s.padded_members, v.lanes)


@cached
def kernels_gradient(inputs, upstream, kernels, first, last, scratch, s, v):
    """Compute the gradient by the kernels, into `kernels`."""
    ring, line, sums, offsets = scratch
    for image in range(first, last):
        for row in range(s.out_height):
            read_rows(inputs, image, row, ring, s, v.lanes)
            out, tap = row_starts(image, row, s)
            pad_groups(upstream, out * s.members, line, 0, s.out_width, s, v.lanes)
            for column in range(s.out_width):
                kernel = column * s.groups * s.taps
                kernels_pixel(ring, offsets, tap, sums, kernel, line, column, s, v)
            copy(sums, 0, kernels, out * s.taps, s.out_width * s.groups * s.taps, v.lanes)
