"""Rows of pixels on their way between images and the arrays of the loops.

The ring holds `ring_height` padded rows; row r of the padded image is row r % ring_height of it.
Each is (phases, channels, plane): column p of the padded image is entry p // column_strides of
phase p % column_strides, so that a tap's columns are side by side whatever the strides are. A
line holds planes too, each of `line` entries with zeros around those of the output's columns.
There is room for channels up to whole squares, of any content. `s` are
`involbench.ops.cpu.columns.Sizes`.

In an image (B, H, W, C) the channels lie as the group layout says. In slots (columns, groups, slot)
each group's channels are side by side, and zeros fill the slot up to whole vectors. The ring holds
the slots of `ring_height` padded rows; row r of the padded image is row r % ring_height of it.
`s` are `involbench.ops.cpu.channels.Sizes`.
"""

from involbench.ops.cpu.runtime import part
from involbench.ops.cpu.vectors import get, head, load, put, store, transpose, zeros

# Rows and columns of the squares that are transposed in registers; also for the plan's sizes.
SQUARE = 4


@part
def to_planes(pixels, start, step, count, width, planes, to, line):
    """`count` pixels of `width` numbers, `step` apart, into planes that are `line` apart."""
    inside = (pixels.size - start - (width + SQUARE - 1) // SQUARE * SQUARE) // step + 1
    whole = max(min(count, inside), 0) // SQUARE * SQUARE
    for pixel in range(0, whole, SQUARE):
        for entry in range(0, width, SQUARE):
            at = start + pixel * step + entry
            transpose(pixels, at, step, planes, to + entry * line + pixel, line)
    for pixel in range(whole, count):
        for entry in range(width):
            put(planes, to + entry * line + pixel, get(pixels, start + pixel * step + entry))


@part
def from_planes(planes, at, line, pixels, start, step, count, width):
    """The reverse of `to_planes`."""
    # A square may reach into the next pixels: they must be written later, or nothing be between.
    reach = ((width + SQUARE - 1) // SQUARE * SQUARE - 1) // step
    whole = max(count - reach, 0) // SQUARE * SQUARE
    if step > width and width % SQUARE:
        whole = 0
    last = (width - 1) // SQUARE * SQUARE
    for pixel in range(0, whole, SQUARE):
        for entry in range(last, -1, -SQUARE):
            to = start + pixel * step + entry
            transpose(planes, at + entry * line + pixel, line, pixels, to, step)
    for pixel in range(whole, count):
        for entry in range(width):
            put(pixels, start + pixel * step + entry, get(planes, at + entry * line + pixel))


@part
def clear_row(ring, row, s, lanes):
    """Zeros, of which a row of the ring has whole vectors."""
    size = s.column_strides * s.phase
    for at in range(row * size, (row + 1) * size, len(lanes)):
        store(ring, at, zeros(ring, lanes))


@part
def read_plane_rows(images, image, first, last, ring, s, lanes):
    """Padded rows `first` to `last - 1` of an image into the ring."""
    for padded in range(first, last):
        row = padded % s.ring_height
        if s.top <= padded < s.top + s.height:
            start = (image * s.height + padded - s.top) * s.width * s.channels
            step = s.column_strides * s.channels
            for phase in range(s.column_strides):
                column = (phase - s.left) % s.column_strides
                count = (s.width - column + s.column_strides - 1) // s.column_strides
                to = (row * s.column_strides + phase) * s.phase
                to += (s.left + column) // s.column_strides
                at = start + column * s.channels
                to_planes(images, at, step, count, s.channels, ring, to, s.plane)
        else:
            clear_row(ring, row, s, lanes)


@part
def write_plane_rows(ring, image, first, last, images, s, lanes):
    """Padded rows `first` to `last - 1` out of the ring, which is zero there then."""
    for padded in range(first, last):
        row = padded % s.ring_height
        if s.top <= padded < s.top + s.height:
            start = (image * s.height + padded - s.top) * s.width * s.channels
            step = s.column_strides * s.channels
            for phase in range(s.column_strides):
                column = (phase - s.left) % s.column_strides
                count = (s.width - column + s.column_strides - 1) // s.column_strides
                at = (row * s.column_strides + phase) * s.phase
                at += (s.left + column) // s.column_strides
                to = start + column * s.channels
                from_planes(ring, at, s.plane, images, to, step, count, s.channels)
        clear_row(ring, row, s, lanes)


@part
def copy(source, start, target, to, count, lanes):
    """`count` numbers."""
    whole = count - count % len(lanes)
    for at in range(0, whole, len(lanes)):
        store(target, to + at, load(source, start + at, lanes))
    for at in range(whole, count):
        put(target, to + at, get(source, start + at))


@part
def spread(images, start, slots, to, width, s, lanes):
    """A row of an image into slots."""
    pixels = width * s.groups
    if s.member_step > 1:
        alone = 0
    elif s.slot == s.members:
        copy(images, start, slots, to, pixels * s.members, lanes)
        return
    else:  # So many that no vector reads beyond the row.
        alone = max(pixels - -(-s.slot // s.members) + 1, 0)
    for pixel in range(alone):
        for member in range(0, s.slot, len(lanes)):
            channels = load(images, start + pixel * s.members + member, lanes)
            store(slots, to + pixel * s.slot + member, head(channels, s.members - member))
    for pixel in range(alone, pixels):
        column, group = divmod(pixel, s.groups)
        at = start + column * s.groups * s.members + group * s.group_step
        for member in range(s.members):
            put(slots, to + pixel * s.slot + member, get(images, at + member * s.member_step))


@part
def gather(slots, start, images, to, width, s, lanes):
    """A row of slots into an image."""
    pixels = width * s.groups
    if s.member_step > 1:
        alone = 0
    elif s.slot == s.members:
        copy(slots, start, images, to, pixels * s.members, lanes)
        return
    else:  # So many that no vector writes beyond the row; what is too much is overwritten.
        alone = max(pixels - -(-s.slot // s.members) + 1, 0)
    for pixel in range(alone):
        for member in range(0, s.slot, len(lanes)):
            channels = load(slots, start + pixel * s.slot + member, lanes)
            store(images, to + pixel * s.members + member, channels)
    for pixel in range(alone, pixels):
        column, group = divmod(pixel, s.groups)
        at = to + column * s.groups * s.members + group * s.group_step
        for member in range(s.members):
            put(images, at + member * s.member_step, get(slots, start + pixel * s.slot + member))


@part
def clear(slots, start, count, lanes):
    """Zeros, of which `count` are whole vectors."""
    for at in range(start, start + count, len(lanes)):
        store(slots, at, zeros(slots, lanes))


@part
def read_rows(images, image, first, last, ring, s, lanes):
    """Padded rows `first` to `last - 1` of an image into the ring."""
    pixel = s.groups * s.slot
    for row in range(first, last):
        to = (row % s.ring_height * s.ring_width + s.left) * pixel
        if s.top <= row < s.top + s.height:
            start = (image * s.height + row - s.top) * s.width * s.groups * s.members
            spread(images, start, ring, to, s.width, s, lanes)
        else:
            clear(ring, to, s.width * pixel, lanes)


@part
def write_rows(ring, image, first, last, images, s, lanes):
    """Padded rows `first` to `last - 1` out of the ring, which is zero there then."""
    pixel = s.groups * s.slot
    for row in range(first, last):
        start = row % s.ring_height * s.ring_width * pixel
        if s.top <= row < s.top + s.height:
            to = (image * s.height + row - s.top) * s.width * s.groups * s.members
            gather(ring, start + s.left * pixel, images, to, s.width, s, lanes)
        clear(ring, start, s.ring_width * pixel, lanes)
