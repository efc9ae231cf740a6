"""Small image folders and npz files, made with Pillow and NumPy in a temporary folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("cat", "dog")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A decode cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("INVOLBENCH_CACHE", str(folder))
    return folder


def pixels(seed: int, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    """Random RGB pixels (H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def save(path: Path, array: np.ndarray, **options: object) -> None:
    """Write an image file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """train/ and test/ with two classes of 3 and 2 lossless images, in a path with a space."""
    root = tmp_path / "my photos"
    for start, split, count in ((0, "train", 3), (100, "test", 2)):
        for label, name in enumerate(CLASSES):
            for index in range(count):
                save(root / split / name / f"{index}.png", pixels(start + 10 * label + index))
    return root


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """The same images and labels as `photos`, as an npz file holds them."""
    train = [pixels(10 * label + index) for label in range(2) for index in range(3)]
    test = [pixels(100 + 10 * label + index) for label in range(2) for index in range(2)]
    return {
        "x_train": np.stack(train),
        "y_train": np.repeat([0, 1], 3),
        "x_test": np.stack(test),
        "y_test": np.repeat([0, 1], 2),
        "class_names": np.array(CLASSES),
    }
