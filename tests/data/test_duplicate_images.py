"""Test images that are training images too are found, whatever file they are in."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from involbench.data import load_dataset
from involbench.data.dataset import samples, shared_images
from tests.data.conftest import pixels, save


def test_the_same_pixels_are_found_in_any_file(photos: Path) -> None:
    shutil.copy(photos / "train/cat/1.png", photos / "test/cat/copy.png")
    save(photos / "test/dog/again.bmp", pixels(12))  # train/dog/2.png, in another format
    almost = pixels(0)
    almost[3, 4, 1] ^= 1
    save(photos / "test/cat/almost.png", almost)
    before = load_dataset("folder", path=photos).fingerprint
    for _ in range(2):  # Decoded, and from the cache.
        data = load_dataset("folder", path=photos)
        (remark,) = data.remarks
        assert data.test_in_train == 2 and remark.warning and data.fingerprint == before
        assert remark.message.names == (
            "test/cat/copy.png (train/cat/1.png)",
            "test/dog/again.bmp (train/dog/2.png)",
        )
        assert f"{photos}: 2 of 7 test images are in the training images too" in str(remark.message)


def test_arrays_have_numbers_for_names(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    arrays["x_test"][3] = arrays["x_train"][2]
    np.savez(tmp_path / "a.npz", **arrays)
    data = load_dataset("npz", path=tmp_path / "a.npz")
    (remark,) = data.remarks
    assert data.test_in_train == 1 and remark.message.names == ("3 (training image 2)",)


@pytest.mark.parametrize(("shared", "warning"), [(1, False), (2, True)])
def test_above_one_percent_it_is_a_warning(tmp_path: Path, shared: int, warning: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (200, 4, 4, 3), dtype=np.uint8)
    labels = np.arange(100) % 2
    x[100 : 100 + shared] = x[:shared]
    arrays = {"x_train": x[:100], "x_test": x[100:], "y_train": labels, "y_test": labels}
    np.savez(tmp_path / "a.npz", **arrays)
    (remark,) = load_dataset("npz", path=tmp_path / "a.npz").remarks
    assert remark.warning is warning


def test_digits_have_none() -> None:
    data = load_dataset("digits")
    assert data.test_in_train == 0 and data.remarks == ()
    # Of runs that are kept: neither images nor names may make another number of it.
    assert data.fingerprint.startswith("c9d13630efca66c2")


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 1), (32, 32, 3), (7, 130, 2)])
def test_found_are_exactly_the_equal_ones(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    train = rng.integers(0, 3, (300, *shape), dtype=np.uint8)
    train[:40] = 0  # As images without content, which all look the same.
    test = rng.integers(0, 3, (200, *shape), dtype=np.uint8)
    test[50:70], test[5] = 0, train[77]
    test[51:60, -1, -1, -1] = 2  # The same in nearly all pixels.
    expected = {
        place: int(np.flatnonzero((train == image).all((1, 2, 3)))[0])
        for place, image in enumerate(test)
        if (train == image).all((1, 2, 3)).any()
    }
    assert shared_images(train, test, samples(train), samples(test)) == expected


def test_it_costs_little() -> None:
    images = np.random.default_rng(2).integers(0, 256, (60_000, 32, 32, 3), dtype=np.uint8)
    train, test = images[:50_000], images[50_000:]
    began = time.process_time()
    assert shared_images(train, test, samples(train), samples(test)) == {}
    assert time.process_time() - began < 2
