"""Changed test images."""

import numpy as np
import pytest

from involbench.data.transforms import CONDITIONS, changed
from involbench.errors import DataError
from involbench.spec.schema import EvaluateSpec

VALUES = {"noise": 0.1, "blur": 1.0, "contrast": 0.5, "shift": 2, "image_size": 9}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(60, 200, (12, 7, 6, 3), np.uint8)


def test_the_spec_offers_exactly_these_of_images():
    of_kernels = ["frozen_kernels"]
    assert list(EvaluateSpec.model_fields) == [*CONDITIONS, *of_kernels]
    assert list(CONDITIONS) == list(VALUES)


@pytest.mark.parametrize("kind", VALUES)
def test_what_comes_of_an_image_depends_on_seed_and_place_alone(images, kind):
    before = images.copy()
    whole = changed(images, kind, VALUES[kind], seed=3)
    np.testing.assert_array_equal(images, before)
    assert whole.dtype == np.uint8
    parts = [changed(images[k : k + 5], kind, VALUES[kind], 3, first=k) for k in (0, 5, 10)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    other = changed(images, kind, VALUES[kind], seed=4)
    assert np.array_equal(other, whole) == (kind not in ("noise", "shift"))


def test_noise_has_its_deviation_and_is_the_same_made_stronger():
    grey = np.full((20, 32, 32, 3), 128, np.uint8)
    weak, strong = (changed(grey, "noise", d, 0).astype(float) - 128 for d in (0.05, 0.1))
    assert weak.std() == pytest.approx(255 * 0.05, rel=0.01)
    assert abs(weak.mean()) < 0.2
    np.testing.assert_allclose(strong, 2 * weak, atol=2)
    assert changed(np.full_like(grey, 250), "noise", 0.5, 0).max() == 255


def test_blur_spreads_a_point_and_keeps_its_sum():
    point = np.zeros((1, 21, 21, 1), np.uint8)
    point[0, 10, 10] = 255
    blurred = changed(point, "blur", 1.0, 0)[0, :, :, 0].astype(float)
    assert blurred[10, 10] == pytest.approx(255 / (2 * np.pi), rel=0.03)
    assert blurred[10, 9] == blurred[9, 10] == pytest.approx(blurred[10, 10] * np.exp(-0.5), abs=1)
    assert blurred.sum() == pytest.approx(255, rel=0.05)


def test_contrast_moves_pixels_to_the_mean_of_their_image(images):
    half = changed(images, "contrast", 0.5, 0).astype(float)
    mean = images.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(half, mean + 0.5 * (images - mean), atol=0.501)
    np.testing.assert_array_equal(changed(images, "contrast", 1.0, 0), images)


def test_shift_moves_each_image_one_way():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    moved = changed(images, "shift", 2, 0)
    ways = [
        (moved[:, 2:], images[:, :-2]),
        (moved[:, :-2], images[:, 2:]),
        (moved[:, :, 2:], images[:, :, :-2]),
        (moved[:, :, :-2], images[:, :, 2:]),
    ]
    matches = np.array([(now == was).all(axis=(1, 2, 3)) for now, was in ways])
    assert matches.sum(axis=0).tolist() == [1] * 40
    assert matches.any(axis=1).all()


def test_image_size_resizes_every_channel(images):
    flat = np.full((2, 8, 8, 2), [10, 200], np.uint8)
    assert (changed(flat, "image_size", 5, 0) == np.full((2, 5, 5, 2), [10, 200])).all()
    assert changed(images, "image_size", 9, 0).shape == (12, 9, 9, 3)


def test_an_unknown_condition_is_named(images):
    with pytest.raises(DataError, match="unknown condition 'rain'; known: noise, blur"):
        changed(images, "rain", 1, 0)
