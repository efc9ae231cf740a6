"""Rows of pixels on their way between images and the arrays that the loops of one call write in.

In an image (B, H, W, C) the channels lie as the group layout says. In slots (columns, groups, slot)
each group's channels are side by side, and zeros fill the slot up to whole vectors. The ring holds
the slots of `ring_height` padded rows; row r of the padded image is row r % ring_height of it.
`s` are `involbench.ops.cpu_channels.Sizes`.
"""

from involbench.ops.cpu_compiled import part
from involbench.ops.cpu_vectors import get, head, load, put, store, zeros


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
