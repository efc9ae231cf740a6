"""scikit-learn's handwritten digits, enlarged, to 32x32x3 by default: no download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from involbench.data.dataset import Dataset, Images, make_dataset, stratified_split
from involbench.data.resize import resized
from involbench.data.source import Description, Source

SIDE = 32
_TEST_FRACTION = 0.2
_SPLIT_SEED = 0


def load_digits(source: Source) -> Dataset:
    """1797 digits 0 to 9, of which a fixed stratified fifth is the test split."""
    digits, labels = _read()
    images = _enlarge(digits, source)
    train, test = stratified_split(labels, _TEST_FRACTION, _SPLIT_SEED)
    names = [str(digit) for digit in range(10)]
    return make_dataset("digits", images[train], labels[train], images[test], labels[test], names)


def describe_digits(source: Source) -> Description:
    """Known without loading."""
    return (*_size(source), 3), 10


def _read() -> tuple[np.ndarray, np.ndarray]:
    """(1797, 8, 8) values 0..16, and what they are.

    From scikit-learn's own file, since its import takes longer than all else that is done here.
    """
    found = find_spec("sklearn")
    package = Path(found.origin if found and found.origin else __file__).parent
    if (file := package / "datasets/data/digits.csv.gz").is_file():
        rows = np.loadtxt(file, delimiter=",")
        values, labels = rows[:, :-1], rows[:, -1].astype(int)
    else:
        from sklearn import datasets

        values, labels = datasets.load_digits(return_X_y=True)
    return values.reshape(-1, 8, 8), labels


def _size(source: Source) -> tuple[int, int]:
    return source.image_size or (SIDE, SIDE)


def _enlarge(images: np.ndarray, source: Source) -> Images:
    """(N, 8, 8) values 0..16 -> (N, H, W, 3) uint8 of the size wanted.

    Bilinear, because in blocks of 4x4 equal pixels most 3x3 kernels would see no change at all.
    """
    size = _size(source)
    enlarged = np.empty((len(images), *size, 3), np.uint8)
    for index, image in enumerate(images):
        grey = Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8))
        enlarged[index] = np.asarray(resized(grey, size, source.resize))[:, :, np.newaxis]
    return enlarged
