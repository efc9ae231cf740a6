"""The involution and both its gradients as loops over pixels, compiled by numba.

All three go through an image row by row and multiply each kernel where it lies, while a few padded
rows of the image, those that the taps of one output row reach, are kept in a ring that fits the
processor's cache. In the ring, a group's channels are side by side and filled up with zeros to
whole vectors, so no tap needs to know borders, group layouts or odd numbers of channels.

    forward           y  = sum over the taps of kernel * ring
    inputs_gradient   ring += kernel * dy at every tap, and rows that no further tap reaches leave
    kernels_gradient  each tap = sum over the channels of dy * ring

Arrays are flat: images (B, H, W, C), kernels (B, H', W', groups, taps). Each function does images
`first` to `last - 1`, and different threads may do different images.
"""

from typing import Any, NamedTuple

from involbench.ops.cpu.layouts import clear, copy, gather, read_rows, spread, write_rows
from involbench.ops.cpu.runtime import cached, part
from involbench.ops.cpu.vectors import add, add_product, get, load, store, sums_of_four, zeros


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
    groups: int
    members: int  # channels of a group
    group_step: int  # from a group's first channel to the next group's
    member_step: int  # from a channel to the next one of its group
    taps: int
    ring_height: int
    slot: int  # a group's channels in the ring: members, rounded up to whole vectors
    ring_width: int


class Vectors(NamedTuple):
    """Tuples of which only the lengths matter: as parts of their type, the compiler knows them."""

    lanes: tuple[int, ...]
    half: tuple[int, ...]  # half as many, for sums over lanes: most CPUs have vectors of no more
    slot: tuple[int, ...]  # as long as a slot where that is one vector, so that no loop is left


class Scratch(NamedTuple):
    """Arrays that one call writes in."""

    ring: Any  # (ring_height, ring_width, groups, slot), zeros at the start
    line: Any  # (out_width, groups, slot): one output row
    kernels: Any  # (out_width, groups, taps) and room for one more vector of four
    offsets: Any  # (ring_height, taps + 3): for each row that is the first, the taps' distances


@part
def _slot(s, v):
    return len(v.slot) if len(v.slot) else s.slot


@part
def _forward_row(ring, offsets, tap, kernels, kernel, line, s, v):
    slot, lanes = _slot(s, v), v.lanes
    for column in range(s.out_width):
        for group in range(s.groups):
            for member in range(0, slot, len(lanes)):
                at = (column * s.column_strides * s.groups + group) * slot + member
                even, odd = zeros(ring, lanes), zeros(ring, lanes)
                for k in range(0, s.taps - 1, 2):
                    x = load(ring, at + get(offsets, tap + k), lanes)
                    even = add_product(even, get(kernels, kernel + k), x)
                    x = load(ring, at + get(offsets, tap + k + 1), lanes)
                    odd = add_product(odd, get(kernels, kernel + k + 1), x)
                # The number of taps is odd.
                x = load(ring, at + get(offsets, tap + s.taps - 1), lanes)
                even = add_product(even, get(kernels, kernel + s.taps - 1), x)
                store(line, (column * s.groups + group) * slot + member, add(even, odd))
            kernel += s.taps


@part
def _inputs_row(ring, offsets, tap, kernels, kernel, line, s, v):
    slot, lanes = _slot(s, v), v.lanes
    for column in range(s.out_width):
        for group in range(s.groups):
            for member in range(0, slot, len(lanes)):
                at = (column * s.column_strides * s.groups + group) * slot + member
                dy = load(line, (column * s.groups + group) * slot + member, lanes)
                for k in range(s.taps):
                    to = at + get(offsets, tap + k)
                    total = load(ring, to, lanes)
                    store(ring, to, add_product(total, get(kernels, kernel + k), dy))
            kernel += s.taps


@part
def _kernels_row(ring, offsets, tap, kernels, line, s, v):
    slot, lanes = _slot(s, v), v.half
    for column in range(s.out_width):
        for group in range(s.groups):
            at = (column * s.column_strides * s.groups + group) * slot
            pixel = (column * s.groups + group) * slot
            kernel = (column * s.groups + group) * s.taps
            for k in range(0, s.taps, 4):
                at_a, at_b = at + get(offsets, tap + k), at + get(offsets, tap + k + 1)
                at_c, at_d = at + get(offsets, tap + k + 2), at + get(offsets, tap + k + 3)
                a = b = c = d = zeros(ring, lanes)
                for member in range(0, slot, len(lanes)):
                    dy = load(line, pixel + member, lanes)
                    a = add_product(a, dy, load(ring, at_a + member, lanes))
                    b = add_product(b, dy, load(ring, at_b + member, lanes))
                    c = add_product(c, dy, load(ring, at_c + member, lanes))
                    d = add_product(d, dy, load(ring, at_d + member, lanes))
                # Sums beyond the last tap are overwritten by the next kernel's first ones.
                store(kernels, kernel + k, sums_of_four(a, b, c, d))


@cached
def forward(inputs, kernels, outputs, first, last, scratch, s, v):
    """The result, into `outputs`."""
    for image in range(first, last):
        read = 0
        for row in range(s.out_height):
            top = row * s.row_strides
            read_rows(inputs, image, max(read, top), top + s.ring_height, scratch.ring, s, v.lanes)
            read = top + s.ring_height
            tap = top % s.ring_height * (s.taps + 3)
            out = (image * s.out_height + row) * s.out_width * s.groups
            _forward_row(
                scratch.ring, scratch.offsets, tap, kernels, out * s.taps, scratch.line, s, v
            )
            gather(scratch.line, 0, outputs, out * s.members, s.out_width, s, v.lanes)


@cached
def inputs_gradient(kernels, upstream, inputs, first, last, scratch, s, v):
    """The gradient by the inputs, into `inputs`."""
    for image in range(first, last):
        for row in range(s.out_height):
            top = row * s.row_strides
            tap = top % s.ring_height * (s.taps + 3)
            out = (image * s.out_height + row) * s.out_width * s.groups
            spread(upstream, out * s.members, scratch.line, 0, s.out_width, s, v.lanes)
            _inputs_row(
                scratch.ring, scratch.offsets, tap, kernels, out * s.taps, scratch.line, s, v
            )
            end = top + s.row_strides if row + 1 < s.out_height else s.top + s.height
            # Rows that no tap reached are zero: the ring's slot was cleared before.
            write_rows(scratch.ring, image, top, end, inputs, s, v.lanes)
        clear(scratch.ring, 0, s.ring_height * s.ring_width * s.groups * s.slot, v.lanes)


@cached
def kernels_gradient(inputs, upstream, kernels, first, last, scratch, s, v):
    """The gradient by the kernels, into `kernels`."""
    for image in range(first, last):
        read = 0
        for row in range(s.out_height):
            top = row * s.row_strides
            read_rows(inputs, image, max(read, top), top + s.ring_height, scratch.ring, s, v.lanes)
            read = top + s.ring_height
            tap = top % s.ring_height * (s.taps + 3)
            out = (image * s.out_height + row) * s.out_width * s.groups
            spread(upstream, out * s.members, scratch.line, 0, s.out_width, s, v.lanes)
            _kernels_row(scratch.ring, scratch.offsets, tap, scratch.kernels, scratch.line, s, v)
            count = s.out_width * s.groups * s.taps
            copy(scratch.kernels, 0, kernels, out * s.taps, count, v.lanes)
