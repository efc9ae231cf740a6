"""The arrays of a dataset, checked: those of an npz file and those that a function returns."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from involbench.data.dataset import Dataset, make_dataset
from involbench.errors import DataError
from involbench.registry import ImageShape

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
OPTIONAL = ("class_names",)
_NAMED = 5


def to_dataset(name: str, made: Any, where: str) -> Dataset:
    """The dataset that a registered function returned; `where` is what messages call it.

    Raises:
        DataError: It is neither a Dataset nor a mapping of arrays that make one.
    """
    if isinstance(made, Dataset):
        return made
    if not isinstance(made, Mapping):
        raise DataError(
            f"{where}: expected a mapping with {', '.join(REQUIRED)}, got {type(made).__name__}"
        )
    arrays = {key: np.asarray(value) for key, value in made.items()}
    return Arrays(where, arrays, arrays.__getitem__).dataset(name)


class Arrays:
    """The arrays of a dataset; `read` gives each by its name, after its header has been checked.

    `headers` have the shape and the dtype of each array; `where` is what messages call them.

    Raises:
        DataError: One is missing.
    """

    def __init__(
        self, where: str, headers: Mapping[str, Any], read: Callable[[str], NDArray[Any]]
    ) -> None:
        self._where, self._headers, self._read = where, headers, read
        missing = [name for name in REQUIRED if name not in headers]
        if missing:
            raise DataError(
                f"{where}: {', '.join(missing)} missing",
                remedy=f"a dataset needs {', '.join(REQUIRED)}",
            )

    def dataset(self, name: str, before: Callable[[], None] = lambda: None) -> Dataset:
        """Read all arrays; `before` is called when the images have been checked, before that.

        Raises:
            DataError: An array has another shape or type than it must have.
        """
        shapes = [self._shape_of_images(each) for each in ("x_train", "x_test")]
        before()
        labels, names = self._labels_and_names()
        x_train, x_test = (
            self._read(each).reshape(shape)
            for each, shape in zip(("x_train", "x_test"), shapes, strict=True)
        )
        return make_dataset(name, x_train, labels[0], x_test, labels[1], names, where=self._where)

    def describe(self) -> ImageShape:
        """Read the labels, and no images."""
        _, height, width, channels = self._shape_of_images("x_train")
        return (height, width, channels), len(self._labels_and_names()[1])

    def _shape_of_images(self, name: str) -> tuple[int, int, int, int]:
        """(N, H, W, C) of an array of images; (N, H, W) is grey, of one channel."""
        header, where = self._headers[name], self._where
        if header.dtype != np.uint8:
            remedy = "convert, e.g. x.astype('uint8')"
            if header.dtype.kind == "f":
                remedy = "if they run from 0 to 1, store (x * 255).round().astype('uint8')"
            raise DataError(
                f"{where}: {name} is {header.dtype}; images must be uint8 from 0 to 255",
                remedy=remedy,
            )
        if len(header.shape) not in (3, 4) or 0 in header.shape:
            raise DataError(
                f"{where}: {name} has shape {header.shape}; "
                "expected images (N, H, W, C) or (N, H, W)"
            )
        if len(header.shape) == 4 and _channels_first(header.shape):
            raise DataError(
                f"{where}: {name} has shape {header.shape}, which is channels first, "
                "(N, C, H, W); images must be (N, H, W, C)",
                remedy="store np.transpose(x, (0, 2, 3, 1)) in place of each array x of images",
            )
        count, height, width, *channels = header.shape
        return count, height, width, channels[0] if channels else 1

    def _labels_and_names(self) -> tuple[list[NDArray[Any]], list[str]]:
        """Labels (N,) of both splits and the class names, by default the labels themselves."""
        labels = [self._labels(split) for split in ("train", "test")]
        header = self._headers.get("class_names")
        if header is None:
            _check_no_gaps(self._where, labels)
            return labels, [str(label) for label in range(int(max(y.max() for y in labels)) + 1)]
        if header.dtype.kind != "U" or len(header.shape) != 1:
            raise DataError(
                f"{self._where}: class_names must be a list of texts, "
                "np.array([...], dtype='U'). "
                f"Received: dtype={header.dtype}, shape={header.shape}"
            )
        return labels, self._read("class_names").tolist()

    def _labels(self, split: str) -> NDArray[Any]:
        name, count = f"y_{split}", self._headers[f"x_{split}"].shape[:1]
        header, where = self._headers[name], self._where
        if header.dtype.kind not in "iu":
            raise DataError(f"{where}: {name} is {header.dtype}; labels must be integers from 0 up")
        if header.shape not in (count, (*count, 1)):
            one_hot = len(header.shape) == 2 and header.shape[:1] == count
            remedy = "turn one-hot labels into y.argmax(axis=1)" if one_hot else None
            raise DataError(
                f"{where}: {name} has shape {header.shape} but x_{split} has "
                f"{', '.join(map(str, count)) or 'no'} images; expected one label an image",
                remedy=remedy,
            )
        if not count[0]:
            raise DataError(f"{where}: x_{split} is empty", remedy="at least one image is needed")
        return self._read(name).reshape(-1)


def _channels_first(shape: tuple[int, ...]) -> bool:
    """Whether the second axis looks like channels and the last one does not."""
    return shape[1] in (1, 3) and shape[3] not in (1, 3, 4)


def _check_no_gaps(where: str, labels: list[NDArray[Any]]) -> None:
    """Without class names, the labels in use must be 0, 1, 2 and so on."""
    used = [int(label) for label in np.union1d(*(np.unique(y).astype(object) for y in labels))]
    if used[0] < 0:
        raise DataError(f"{where}: there is a label {used[0]}; labels run from 0 up")
    # Enough candidates to name some missing, however large a stray label is.
    candidates = range(min(used[-1] + 1, len(used) + _NAMED))
    missing = [str(label) for label in candidates if label not in set(used)][:_NAMED]
    absent = used[-1] + 1 - len(used)
    if absent:
        more = f" and {absent - len(missing)} more" if absent > len(missing) else ""
        raise DataError(
            f"{where}: labels run up to {used[-1]} but no image has label "
            f"{', '.join(missing)}{more}",
            remedy="number the classes without gaps, or name them all in class_names",
        )
