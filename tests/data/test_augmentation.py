"""Augmentation: every result is a flip or a shift of its own image."""

import numpy as np
import pytest

from involbench.data.transforms import augment
from involbench.errors import DataError

SHAPES = [(40, 32, 32, 3), (40, 5, 9, 1), (40, 1, 1, 3), (1, 17, 8, 4)]


def batch(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).integers(1, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_flip_mirrors_about_half(shape: tuple[int, ...]) -> None:
    images = batch(shape)
    flipped = augment(images, ["flip"], np.random.default_rng(0))
    same = (flipped == images).all(axis=(1, 2, 3))
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    if shape[0] > 1 and shape[2] > 1:
        assert 8 < mirrored.sum() < 32


@pytest.mark.parametrize("shape", SHAPES)
def test_crop_shifts_with_zeros_coming_in(shape: tuple[int, ...]) -> None:
    images = batch(shape)
    cropped = augment(images, ["crop"], np.random.default_rng(0))
    down, right = max(1, shape[1] // 8), max(1, shape[2] // 8)
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)))
    shifts = set()
    for index, result in enumerate(cropped):
        found = [
            (top, left)
            for top in range(2 * down + 1)
            for left in range(2 * right + 1)
            if (padded[index, top : top + shape[1], left : left + shape[2]] == result).all()
        ]
        assert found
        shifts.add(found[0])
    assert len(shifts) > 1 or shape[0] == 1


def test_the_batch_given_is_not_changed_and_the_generator_decides() -> None:
    images = batch((16, 8, 8, 3))
    before = images.copy()
    results = [augment(images, ["flip", "crop"], np.random.default_rng(seed)) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()
    assert results[0].dtype == np.uint8 and results[0].flags.c_contiguous


def test_no_names_no_change_and_no_draw() -> None:
    images, rng = batch((4, 8, 8, 3)), np.random.default_rng(0)
    np.testing.assert_array_equal(augment(images, [], rng), images)
    assert rng.random() == np.random.default_rng(0).random()


def test_an_unknown_name() -> None:
    with pytest.raises(DataError, match="unknown augmentation 'spin'; known: flip, crop"):
        augment(batch((1, 8, 8, 3)), ["spin"], np.random.default_rng(0))
