"""Images of another aspect ratio: stretched with a remark, cropped or padded."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from involbench.data import load_dataset
from involbench.errors import DataError
from tests.data.conftest import pixels, save

WHITE, GREY = 255, 120


def wide() -> np.ndarray:
    """20x60: a white square of 20 in the middle, grey at both sides."""
    image = np.full((20, 60, 3), GREY, np.uint8)
    image[:, 20:40] = WHITE
    return image


def tall() -> np.ndarray:
    return wide().transpose(1, 0, 2)


@pytest.fixture
def shapes(photos: Path) -> Path:
    save(photos / "train/cat/tall.png", tall())
    save(photos / "train/cat/wide.png", wide())
    return photos


def stretched_remarks(data) -> list[str]:  # type: ignore[no-untyped-def]
    return [str(each.message) for each in data.remarks if each.about == "aspect ratio"]


def test_crop_keeps_the_middle_and_pad_keeps_all(shapes: Path) -> None:
    cropped = load_dataset("folder", path=shapes, image_size=10, resize="crop")
    white = cropped.x_train[3:5]  # At its edges smoothed with the grey beside it.
    assert (white[:, 1:-1, 1:-1] == WHITE).all() and (white > 230).all()
    padded = load_dataset("folder", path=shapes, image_size=(12, 12), resize="pad")
    tall_padded, wide_padded = padded.x_train[3:5]
    assert (wide_padded[:4] == 0).all() and (wide_padded[8:] == 0).all()
    assert (wide_padded[5:7, 1] == GREY).all() and (wide_padded[5:7, 5:7] > 250).all()
    np.testing.assert_array_equal(tall_padded, wide_padded.transpose(1, 0, 2))
    assert not stretched_remarks(cropped) and not stretched_remarks(padded)


def test_stretch_is_the_default_and_what_it_was(shapes: Path) -> None:
    data = load_dataset("folder", path=shapes, image_size=(10, 12))
    expected = Image.fromarray(wide()).resize((12, 10), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(data.x_train[4], np.asarray(expected))
    again = load_dataset("folder", path=shapes, image_size=(10, 12), resize="stretch")
    assert again.fingerprint == data.fingerprint


def test_stretching_is_said_whether_decoded_or_from_the_cache(shapes: Path) -> None:
    for _ in range(2):
        (line,) = stretched_remarks(load_dataset("folder", path=shapes, image_size=(6, 8)))
        assert "2 of 12 images have another aspect ratio than 6x8 and are stretched" in line
        assert line.endswith("; to keep shapes, set data.resize=crop, or pad")


def test_what_rounding_does_to_a_ratio_is_not_said(photos: Path) -> None:
    save(photos / "train/cat/a.png", pixels(1, (667, 889)))
    assert not stretched_remarks(load_dataset("folder", path=photos, image_size=(6, 8)))
    assert not stretched_remarks(load_dataset("folder", path=photos, image_size=(3, 4)))


def test_each_way_has_its_own_cache(shapes: Path) -> None:
    ways = [
        load_dataset("folder", path=shapes, image_size=10, resize=how).fingerprint
        for how in ("stretch", "crop", "pad", "stretch")
    ]
    assert len(set(ways)) == 3 and ways[0] == ways[3]


def test_digits_take_it_too() -> None:
    padded = load_dataset("digits", image_size=(16, 32), resize="pad").x_train
    assert (padded[:, :, :8] == 0).all() and (padded[:, :, 24:] == 0).all()
    square = load_dataset("digits", image_size=16).x_train
    np.testing.assert_array_equal(padded[:, :, 8:24], square)


def test_a_way_without_a_size_and_an_unknown_way_are_refused(photos: Path) -> None:
    with pytest.raises(DataError, match=r"data\.resize: needs data\.image_size"):
        load_dataset("folder", path=photos, resize="crop")
    with pytest.raises(DataError, match=r"data\.resize: .*'stretch', 'crop' or 'pad'"):
        load_dataset("folder", path=photos, image_size=8, resize="squash")
