"""Involution with kernels that are generated in strips: the second 1x1 convolution, an optional
softmax over the taps and the sum over the taps, in one pass.

A strip is a few pixels of an image: some whole rows, or a part of a row that is long. Its kernels
are the product of its reduced features with the span's weights. They stay in the processor's
cache, are used, and are overwritten by those of the next strip; the backward pass makes them again.
As in `channels`, rings hold the padded rows of the image and of its gradient.

The kernels of a pixel are (groups, taps): each number multiplies the channels of a group. Groups of
one or two channels, which would not fill a vector, have vectors of kernels in place of numbers:
(taps, channels), where the span's filters are repeated for each channel of a group.

A column of ones beside the reduced features stands for the span's bias, which is the last row of
the weights.
"""

from typing import Any, NamedTuple

from involbench.ops.cpu.channels import forward_pixel, inputs_pixel, kernels_pixel, row_starts
from involbench.ops.cpu.layouts import clear, pad_groups, read_rows, unpad_groups, write_rows
from involbench.ops.cpu.products import TILE, product
from involbench.ops.cpu.softmax import (
    gradient_by_numbers,
    gradient_by_vectors,
    softmax_of_numbers,
    softmax_of_vectors,
)
from involbench.ops.cpu.vectors import (
    add_product,
    cached,
    get,
    load,
    multiply,
    part,
    put,
    store,
    zeros,
)


class Strip(NamedTuple):
    """The size of a strip, and of the span; see `layouts.Sizes` for the image's."""

    rows: int
    columns: int
    reduced: int  # reduced features
    entries: int  # of a pixel in `Scratch.kernels`: whole vectors, with room for four sums more
    features: int  # of a pixel in `Scratch.features`: the reduced ones, a one, and whole tiles
    width: int  # of a pixel in `Scratch.gradient_of_features`: whole vectors
    softmax: int  # whether there is one
    vectors: int  # whether kernels are vectors
    kernel_width: int
    shift: int  # entries of the ring from one tap to the next in a row
    adjacent: int  # whether the taps of adjacent columns are as far apart, too


class Scratch(NamedTuple):
    """Arrays that one thread writes in, and a table that it reads."""

    ring: Any  # (ring_height, ring_width, groups, padded_members), zeros at the start
    sums: Any  # the same for the gradient by the inputs
    line: Any  # (out_width, groups, padded_members): one output row
    features: Any  # (pixels, features), zeros at the start; whole tiles of pixels
    kernels: Any  # (pixels, entries)
    gradient: Any  # the gradient by the kernels; the same array where there is no softmax
    gradient_of_features: Any  # (pixels, width)
    offsets: Any  # (ring_height, taps + 3): for each row that is the first, the taps' distances


@part
def _generate(reduced, pixel, count, weights, scratch, s, t, lanes):
    """Make the kernels of `count` pixels, from `pixel` on."""
    features, kernels = scratch.features, scratch.kernels
    for i in range(count):
        for k in range(t.reduced):
            put(features, i * t.features + k, get(reduced, (pixel + i) * t.reduced + k))
    rows, depth, entries = _tiles(count), t.reduced + 1, t.entries
    product(features, t.features, 1, weights, entries, kernels, entries, rows, depth, 0, lanes)
    if t.softmax:
        for at in range(0, count * entries, entries):
            if t.vectors:
                softmax_of_vectors(kernels, at, s.taps, s.padded_members, lanes)
            else:
                softmax_of_numbers(kernels, at, s.groups, s.taps, lanes)


@part
def _tiles(count):
    return (count + TILE - 1) // TILE * TILE


@part
def _forward_row(ring, offsets, tap, kernels, start, line, first, last, s, t, v):
    """The result at some columns of a row; the kernels begin with those of column `first`."""
    column = first
    while column < last:
        kernel = start + (column - first) * t.entries
        if t.vectors:
            _forward_vectors(ring, offsets, tap, kernels, kernel, line, column, s, v.lanes)
        elif t.adjacent and column + 4 <= last:
            _forward_four(ring, offsets, tap, kernels, kernel, line, column, s, t, v.lanes)
            column += 3
        else:
            forward_pixel(ring, offsets, tap, kernels, kernel, line, column, s, v)
        column += 1


@part
def _forward_vectors(ring, offsets, tap, kernels, kernel, line, column, s, lanes):
    pixel, step = column * s.padded_members, s.column_strides * s.padded_members
    for member in range(0, s.padded_members, len(lanes)):
        total, at = zeros(ring, lanes), column * step + member
        for k in range(s.taps):
            h = load(kernels, kernel + k * s.padded_members + member, lanes)
            total = add_product(total, h, load(ring, at + get(offsets, tap + k), lanes))
        store(line, pixel + member, total)


@part
def _forward_four(ring, offsets, tap, kernels, kernel, line, column, s, t, lanes):
    """Four columns side by side, whose taps read the same pixels: each is loaded once a row."""
    padded, pixel = s.padded_members, s.groups * s.padded_members
    for group in range(s.groups):
        h = kernel + group * s.taps
        for member in range(0, padded, len(lanes)):
            to = column * pixel + group * padded + member
            p = q = r = o = zeros(ring, lanes)
            for first in range(0, s.taps, t.kernel_width):
                x = to + get(offsets, tap + first)
                # Tap k of the first column is tap k - 1 of the second, and so on.
                a = h + first
                b = a + t.entries - 1
                c, d = b + t.entries - 1, b + 2 * t.entries - 2
                end = t.kernel_width
                one, two = load(ring, x, lanes), load(ring, x + t.shift, lanes)
                three = load(ring, x + 2 * t.shift, lanes)
                p = add_product(p, get(kernels, a), one)
                p = add_product(p, get(kernels, a + 1), two)
                q = add_product(q, get(kernels, b + 1), two)
                p = add_product(p, get(kernels, a + 2), three)
                q = add_product(q, get(kernels, b + 2), three)
                r = add_product(r, get(kernels, c + 2), three)
                for k in range(3, end):
                    one = load(ring, x + k * t.shift, lanes)
                    p = add_product(p, get(kernels, a + k), one)
                    q = add_product(q, get(kernels, b + k), one)
                    r = add_product(r, get(kernels, c + k), one)
                    o = add_product(o, get(kernels, d + k), one)
                x += end * t.shift
                one, two = load(ring, x, lanes), load(ring, x + t.shift, lanes)
                three = load(ring, x + 2 * t.shift, lanes)
                q = add_product(q, get(kernels, b + end), one)
                r = add_product(r, get(kernels, c + end), one)
                o = add_product(o, get(kernels, d + end), one)
                r = add_product(r, get(kernels, c + end + 1), two)
                o = add_product(o, get(kernels, d + end + 1), two)
                o = add_product(o, get(kernels, d + end + 2), three)
            store(line, to, p)
            store(line, to + pixel, q)
            store(line, to + 2 * pixel, r)
            store(line, to + 3 * pixel, o)


@part
def _inputs_row(ring, offsets, tap, kernels, start, line, first, last, s, t, v):
    """Add what some columns of a row give to the gradient by the inputs, to the ring."""
    column = first
    while column < last:
        kernel = start + (column - first) * t.entries
        if t.vectors:
            _inputs_vectors(ring, offsets, tap, kernels, kernel, line, column, s, v.lanes)
        elif t.adjacent and column + 4 <= last:
            _inputs_four(ring, offsets, tap, kernels, kernel, line, column, s, t, v.lanes)
            column += 3
        else:
            inputs_pixel(ring, offsets, tap, kernels, kernel, line, column, s, v)
        column += 1


@part
def _inputs_vectors(ring, offsets, tap, kernels, kernel, line, column, s, lanes):
    pixel, step = column * s.padded_members, s.column_strides * s.padded_members
    for member in range(0, s.padded_members, len(lanes)):
        dy, at = load(line, pixel + member, lanes), column * step + member
        for k in range(s.taps):
            h = load(kernels, kernel + k * s.padded_members + member, lanes)
            to = at + get(offsets, tap + k)
            store(ring, to, add_product(load(ring, to, lanes), h, dy))


@part
def _inputs_four(ring, offsets, tap, kernels, kernel, line, column, s, t, lanes):
    """Four columns side by side, whose taps reach the same pixels: each is stored once a row."""
    padded, pixel = s.padded_members, s.groups * s.padded_members
    for group in range(s.groups):
        h = kernel + group * s.taps
        for member in range(0, padded, len(lanes)):
            at = column * pixel + group * padded + member
            p, q = load(line, at, lanes), load(line, at + pixel, lanes)
            r, o = load(line, at + 2 * pixel, lanes), load(line, at + 3 * pixel, lanes)
            for first in range(0, s.taps, t.kernel_width):
                to = at + get(offsets, tap + first)
                # Tap k of the first column is tap k - 1 of the second, and so on.
                a = h + first
                b = a + t.entries - 1
                c, d = b + t.entries - 1, b + 2 * t.entries - 2
                end = t.kernel_width
                one = add_product(load(ring, to, lanes), get(kernels, a), p)
                store(ring, to, one)
                to += t.shift
                one = add_product(load(ring, to, lanes), get(kernels, a + 1), p)
                store(ring, to, add_product(one, get(kernels, b + 1), q))
                to += t.shift
                one = add_product(load(ring, to, lanes), get(kernels, a + 2), p)
                one = add_product(one, get(kernels, b + 2), q)
                store(ring, to, add_product(one, get(kernels, c + 2), r))
                for k in range(3, end):
                    to += t.shift
                    one = add_product(load(ring, to, lanes), get(kernels, a + k), p)
                    one = add_product(one, get(kernels, b + k), q)
                    one = add_product(one, get(kernels, c + k), r)
                    store(ring, to, add_product(one, get(kernels, d + k), o))
                to += t.shift
                one = add_product(load(ring, to, lanes), get(kernels, b + end), q)
                one = add_product(one, get(kernels, c + end), r)
                store(ring, to, add_product(one, get(kernels, d + end), o))
                to += t.shift
                one = add_product(load(ring, to, lanes), get(kernels, c + end + 1), r)
                store(ring, to, add_product(one, get(kernels, d + end + 1), o))
                to += t.shift
                one = add_product(load(ring, to, lanes), get(kernels, d + end + 2), o)
                store(ring, to, one)


@part
def _kernels_row(ring, offsets, tap, gradient, start, line, first, last, s, t, v):
    """The gradient by the kernels of some columns of a row."""
    for column in range(first, last):
        kernel = start + (column - first) * t.entries
        if t.vectors:
            _kernels_vectors(ring, offsets, tap, gradient, kernel, line, column, s, v.lanes)
        else:
            kernels_pixel(ring, offsets, tap, gradient, kernel, line, column, s, v)


@part
def _kernels_vectors(ring, offsets, tap, gradient, kernel, line, column, s, lanes):
    pixel, step = column * s.padded_members, s.column_strides * s.padded_members
    for member in range(0, s.padded_members, len(lanes)):
        dy, at = load(line, pixel + member, lanes), column * step + member
        for k in range(s.taps):
            x = load(ring, at + get(offsets, tap + k), lanes)
            store(gradient, kernel + k * s.padded_members + member, multiply(dy, x))


@cached
def forward(inputs, reduced, weights, outputs, first, last, scratch, s, t, v):
    """Compute images `first` to `last - 1` of the result, into `outputs`."""
    ring, line, offsets = scratch.ring, scratch.line, scratch.offsets
    for image in range(first, last):
        for top in range(0, s.out_height, t.rows):
            for left in range(0, s.out_width, t.columns):
                bottom, right, pixel = _strip(image, top, left, s, t)
                count = (bottom - top) * (right - left)
                _generate(reduced, pixel, count, weights, scratch, s, t, v.lanes)
                for row in range(top, bottom):
                    out, tap = row_starts(image, row, s)
                    at = (row - top) * (right - left) * t.entries
                    if left == 0:
                        read_rows(inputs, image, row, ring, s, v.lanes)
                    _forward_row(
                        ring, offsets, tap, scratch.kernels, at, line, left, right, s, t, v
                    )
                    if right == s.out_width:
                        unpad_groups(line, 0, outputs, out * s.members, s.out_width, s, v.lanes)


@cached
def backward(inputs, reduced, upstream, spans, results, sums, first, last, scratch, s, t, v):
    """Compute the gradients of images `first` to `last - 1`.

    `spans` are the weights (reduced + 1, entries) and, transposed, (entries, width), `results` the
    gradients by the inputs and the reduced features. That by the weights is added to `sums`.
    """
    ring, line, offsets, kernels = scratch.ring, scratch.line, scratch.offsets, scratch.kernels
    gradient, lanes = scratch.gradient, v.lanes
    for image in range(first, last):
        for top in range(0, s.out_height, t.rows):
            for left in range(0, s.out_width, t.columns):
                bottom, right, pixel = _strip(image, top, left, s, t)
                count = (bottom - top) * (right - left)
                _generate(reduced, pixel, count, spans[0], scratch, s, t, lanes)
                for row in range(top, bottom):
                    out, tap = row_starts(image, row, s)
                    at = (row - top) * (right - left) * t.entries
                    if left == 0:
                        read_rows(inputs, image, row, ring, s, lanes)
                        pad_groups(upstream, out * s.members, line, 0, s.out_width, s, lanes)
                    _inputs_row(scratch.sums, offsets, tap, kernels, at, line, left, right, s, t, v)
                    # Where there is no softmax, this overwrites the row's kernels.
                    _kernels_row(ring, offsets, tap, gradient, at, line, left, right, s, t, v)
                    if right == s.out_width:
                        write_rows(scratch.sums, image, row, results[0], s, lanes)
                _to_features(pixel, count, spans[1], results[1], sums, scratch, s, t, lanes)
        clear(scratch.sums, 0, s.ring_height * s.ring_width * s.groups * s.padded_members, lanes)


@part
def _strip(image, top, left, s, t):
    """The end of a strip's rows and columns, and its first pixel among those of all images."""
    bottom, right = min(top + t.rows, s.out_height), min(left + t.columns, s.out_width)
    return bottom, right, (image * s.out_height + top) * s.out_width + left


@part
def _to_features(pixel, count, transposed, reduced, sums, scratch, s, t, lanes):
    """The gradients by the reduced features and the weights, from that by a strip's kernels."""
    gradient, result, entries = scratch.gradient, scratch.gradient_of_features, t.entries
    if t.softmax:
        for at in range(0, count * entries, entries):
            if t.vectors:
                gradient_by_vectors(scratch.kernels, gradient, at, s.taps, s.padded_members, lanes)
            else:
                gradient_by_numbers(scratch.kernels, gradient, at, s.groups, s.taps, lanes)
    rows, features = _tiles(count), t.features
    # What lies beyond the last kernel may be NaN, if a feature is.
    depth = entries if t.vectors else s.groups * s.taps
    product(gradient, entries, 1, transposed, t.width, result, t.width, rows, depth, 0, lanes)
    for i in range(count):
        for k in range(t.reduced):
            put(reduced, (pixel + i) * t.reduced + k, get(result, i * t.width + k))
    ones = scratch.features
    product(ones, 1, features, gradient, entries, sums, entries, features, count, 1, lanes)
