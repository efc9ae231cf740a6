"""Rows of pixels between the images and the arrays that the loops work on.

Both kinds of loops keep `ring_height` padded rows of an image in a ring: row r of the padded image
is row r % ring_height of the ring. Images are (B, H, W, C); their channels lie as the group layout
says.

For `channels`, a row is (columns, groups, padded_members): the channels of a group are side by
side, and zeros fill them up to whole vectors.

For `columns`, a row of the ring is (phases, channels, plane): column p of the padded image is entry
p // column_strides of phase p % column_strides, so that the columns of a tap are side by side for
all strides. A line is (channels, line), with zeros around the columns of the output. Both have
room for channels up to whole squares, of any content.
"""

from typing import NamedTuple

from involbench.ops.cpu.vectors import get, load, merge, part, put, store, transpose, zeros

# Rows and columns of the squares that are transposed in registers.
SQUARE = 4


class Sizes(NamedTuple):
    """What the loops must know of an image and a geometry."""

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
    taps: int
    ring_height: int
    # For `channels` only.
    padded_members: int = 0  # members, rounded up to whole vectors
    ring_width: int = 0
    # For `columns` only.
    kernel_height: int = 0
    row_dilation: int = 0
    plane: int = 0  # entries of a channel's plane in the ring; whole vectors
    phase: int = 0  # entries of all planes of a phase
    front: int = 0  # zeros at the start of a line: as many as a tap is shifted at most
    line: int = 0  # entries of a line


@part
def _new_rows(out_row, s):
    """The padded rows that an output row reaches and the output rows before it did not."""
    top = out_row * s.row_strides
    end = top + s.ring_height
    return (max(top, end - s.row_strides) if out_row else top), end


@part
def _finished_rows(out_row, s):
    """The padded rows that this output row may reach and those after it do not.

    Those that no tap reaches are zero: the row of the ring was cleared before.
    """
    top = out_row * s.row_strides
    return top, (top + s.row_strides if out_row + 1 < s.out_height else s.top + s.height)


@part
def to_planes(pixels, start, step, count, width, planes, to, line):
    """Copy `count` pixels of `width` numbers, `step` apart, into planes that are `line` apart."""
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
    """Copy back what `to_planes` copies."""
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
def _phase(image, row, phase, s):
    """A phase of a padded row: where it starts in the images and in the ring, and its pixels."""
    column = (phase - s.left) % s.column_strides
    count = (s.width - column + s.column_strides - 1) // s.column_strides
    pixels = ((image * s.height + row - s.top) * s.width + column) * s.channels
    planes = (row % s.ring_height * s.column_strides + phase) * s.phase
    return pixels, planes + (s.left + column) // s.column_strides, count


@part
def clear_plane_row(ring, row, s, lanes):
    """Set a row of the ring to zero."""
    size = s.column_strides * s.phase
    clear(ring, row % s.ring_height * size, size, lanes)


@part
def read_plane_rows(images, image, out_row, ring, s, lanes):
    """Copy the rows that an output row needs, and the ring does not have yet, into the ring."""
    first, end = _new_rows(out_row, s)
    for row in range(first, end):
        if s.top <= row < s.top + s.height:
            for phase in range(s.column_strides):
                start, to, count = _phase(image, row, phase, s)
                step = s.column_strides * s.channels
                to_planes(images, start, step, count, s.channels, ring, to, s.plane)
        else:
            clear_plane_row(ring, row, s, lanes)


@part
def write_plane_rows(ring, image, out_row, images, s, lanes):
    """Move the rows that no further output row reaches from the ring, which is then zero there."""
    first, end = _finished_rows(out_row, s)
    for row in range(first, end):
        if s.top <= row < s.top + s.height:
            for phase in range(s.column_strides):
                to, at, count = _phase(image, row, phase, s)
                step = s.column_strides * s.channels
                from_planes(ring, at, s.plane, images, to, step, count, s.channels)
        clear_plane_row(ring, row, s, lanes)


@part
def copy(source, start, target, to, count, lanes):
    """Copy `count` numbers."""
    whole = count - count % len(lanes)
    for at in range(0, whole, len(lanes)):
        store(target, to + at, load(source, start + at, lanes))
    for at in range(whole, count):
        put(target, to + at, get(source, start + at))


@part
def clear(array, start, count, lanes):
    """Set `count` numbers, which are whole vectors, to zero."""
    for at in range(start, start + count, len(lanes)):
        store(array, at, zeros(array, lanes))


@part
def _in_vectors(pixels, s):
    """How many groups of a row can be copied by vectors that do not leave the row."""
    if s.member_step > 1:
        return 0
    return max(pixels - -(-s.padded_members // s.members) + 1, 0)


@part
def _group_start(pixel, s):
    """Where a group's first channel is in a row of an image."""
    column, group = divmod(pixel, s.groups)
    return column * s.channels + group * s.group_step


@part
def pad_groups(images, start, padded, to, width, s, lanes):
    """Copy a row of an image, each group filled up with zeros to whole vectors."""
    pixels = width * s.groups
    if s.member_step == 1 and s.padded_members == s.members:
        copy(images, start, padded, to, pixels * s.members, lanes)
        return
    whole = _in_vectors(pixels, s)
    for pixel in range(whole):
        for member in range(0, s.padded_members, len(lanes)):
            channels = load(images, start + pixel * s.members + member, lanes)
            at = to + pixel * s.padded_members + member
            store(padded, at, merge(channels, s.members - member, zeros(padded, lanes)))
    for pixel in range(whole, pixels):
        at = start + _group_start(pixel, s)
        for member in range(s.members):
            value = get(images, at + member * s.member_step)
            put(padded, to + pixel * s.padded_members + member, value)


@part
def unpad_groups(padded, start, images, to, width, s, lanes):
    """Copy back what `pad_groups` copies."""
    pixels = width * s.groups
    if s.member_step == 1 and s.padded_members == s.members:
        copy(padded, start, images, to, pixels * s.members, lanes)
        return
    whole = _in_vectors(pixels, s)  # The next group overwrites what is too much.
    for pixel in range(whole):
        for member in range(0, s.padded_members, len(lanes)):
            channels = load(padded, start + pixel * s.padded_members + member, lanes)
            store(images, to + pixel * s.members + member, channels)
    for pixel in range(whole, pixels):
        at = to + _group_start(pixel, s)
        for member in range(s.members):
            value = get(padded, start + pixel * s.padded_members + member)
            put(images, at + member * s.member_step, value)


@part
def read_rows(images, image, out_row, ring, s, lanes):
    """Copy the rows that an output row needs, and the ring does not have yet, into the ring."""
    pixel = s.groups * s.padded_members
    first, end = _new_rows(out_row, s)
    for row in range(first, end):
        to = (row % s.ring_height * s.ring_width + s.left) * pixel
        if s.top <= row < s.top + s.height:
            start = (image * s.height + row - s.top) * s.width * s.channels
            pad_groups(images, start, ring, to, s.width, s, lanes)
        else:
            clear(ring, to, s.width * pixel, lanes)


@part
def write_rows(ring, image, out_row, images, s, lanes):
    """Move the rows that no further output row reaches from the ring, which is then zero there."""
    pixel = s.groups * s.padded_members
    first, end = _finished_rows(out_row, s)
    for row in range(first, end):
        start = row % s.ring_height * s.ring_width * pixel
        if s.top <= row < s.top + s.height:
            to = (image * s.height + row - s.top) * s.width * s.channels
            unpad_groups(ring, start + s.left * pixel, images, to, s.width, s, lanes)
        clear(ring, start, s.ring_width * pixel, lanes)
