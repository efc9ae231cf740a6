"""Test images that are training images too, pixel by pixel."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]

_SAMPLED = 64
"""Bytes of an image by which most that differ are told apart."""


def pieces(images: Images, size: int = 2**23) -> Iterator[Images]:
    """Consecutive parts of an array (N, ...) of about so many bytes, which may be on disk."""
    step = max(1, size // max(1, images[0].nbytes)) if len(images) else 1
    return (images[start : start + step] for start in range(0, len(images), step))


def samples(images: Images) -> list[bytes]:
    """Some bytes of each image (N, H, W, C), the same for equal images; cheap to take."""
    rows = images.reshape(len(images), -1)
    # An odd step: an even one would meet the same few columns in every row of pixels.
    return [row.tobytes() for row in rows[:, :: rows.shape[1] // _SAMPLED | 1]]


def shared_images(
    train: Images, test: Images, train_samples: Sequence[bytes], test_samples: Sequence[bytes]
) -> dict[int, int]:
    """Test images that are equal to a training image: the place of each -> of the first such one.

    Args:
        train, test: (N, H, W, C).
        train_samples, test_samples: `samples` of them, by which it is known where to look closer.
    """
    in_test = set(test_samples)
    first: dict[bytes, int] = {}
    common: set[bytes] = set()
    for place, sample in enumerate(train_samples):
        if sample in in_test:
            common.add(sample)
            first.setdefault(_digest(train[place]), place)
    found = {
        place: first.get(_digest(test[place]))
        for place, sample in enumerate(test_samples)
        if sample in common
    }
    return {place: same for place, same in found.items() if same is not None}


def _digest(image: Images) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
