"""The user's own arrays in an npz file."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from involbench.data.dataset import Dataset, make_dataset
from involbench.data.memory import require_memory
from involbench.data.source import Description, Source, reason
from involbench.errors import DataError
from involbench.npz import Header, NpzFile, open_npz
from involbench.regular_file import NotRegular, open_regular

REQUIRED = ("x_train", "y_train", "x_test", "y_test")
OPTIONAL = ("class_names",)


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    """The arrays that involbench reads, for the length of a `with`; others are left alone.

    Raises:
        DataError: It is not an npz file, is damaged, lacks an array, or one is pickled.
    """
    try:
        with open_regular(path) as file, open_npz(file, only=(*REQUIRED, *OPTIONAL)) as arrays:
            missing = [name for name in REQUIRED if name not in arrays.headers]
            if missing:
                raise DataError(
                    f"{path}: {', '.join(missing)} missing",
                    remedy=f"an npz file needs {', '.join(REQUIRED)}",
                )
            yield arrays
    except (PermissionError, NotRegular) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)})") from None
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not an npz file, or cut short ({reason(error).rstrip('.')})",
            remedy="write it with numpy.savez or copy it anew",
        ) from None
    except (ValueError, RuntimeError) as error:
        raise DataError(
            f"{path}: {reason(error)}",
            remedy="write it anew with plain arrays (texts with dtype='U')",
        ) from None


_NAMED = 5


def load_npz(source: Source) -> Dataset:
    """Load uint8 images (N, H, W), (N, H, W, C) and integer labels (N,) or (N, 1) from 0 up.

    `class_names` is optional: a unicode array with a name for each label. Nothing pickled is read.

    Raises:
        DataError: the file is damaged, lacks an array, or an array is not as said above.
    """
    path = _file(source)
    with _opened(path) as arrays:
        images = [_check_images(path, arrays.headers, name) for name in ("x_train", "x_test")]
        size = sum(header.nbytes for header in arrays.headers.values())
        require_memory(f"{path}: its arrays", size, "store fewer or smaller images")
        labels, names = _labels_and_names(path, arrays)
        x_train, x_test = (
            arrays.read(name).reshape(shape)
            for name, shape in zip(("x_train", "x_test"), images, strict=True)
        )
    return make_dataset(path.stem, x_train, labels[0], x_test, labels[1], names, where=str(path))


def describe_npz(source: Source) -> Description:
    """Read the headers and the labels, and no images."""
    path = _file(source)
    with _opened(path) as arrays:
        _, *input_shape = _check_images(path, arrays.headers, "x_train")
        _, names = _labels_and_names(path, arrays)
    height, width, channels = input_shape
    return (height, width, channels), len(names)


def _file(source: Source) -> Path:
    path = source.existing_path()
    if path.is_dir():
        raise DataError(
            f"{path}: is a folder, not an npz file", remedy="use -S data.dataset=folder"
        )
    return path


def _check_images(
    path: Path, headers: Mapping[str, Header], name: str
) -> tuple[int, int, int, int]:
    """The shape (N, H, W, C) of an array of images; (N, H, W) is grey, of one channel."""
    header = headers[name]
    if header.dtype != np.uint8:
        remedy = "convert, e.g. x.astype('uint8')"
        if header.dtype.kind == "f":
            remedy = "if they run from 0 to 1, store (x * 255).round().astype('uint8')"
        raise DataError(
            f"{path}: {name} is {header.dtype}; images must be uint8 from 0 to 255", remedy=remedy
        )
    if len(header.shape) not in (3, 4) or 0 in header.shape:
        raise DataError(
            f"{path}: {name} has shape {header.shape}; expected images (N, H, W, C) or (N, H, W)"
        )
    if len(header.shape) == 4 and _channels_first(header.shape):
        raise DataError(
            f"{path}: {name} has shape {header.shape}, which is channels first, (N, C, H, W); "
            "images must be (N, H, W, C)",
            remedy="store np.transpose(x, (0, 2, 3, 1)) in place of each array x of images",
        )
    count, height, width, *channels = header.shape
    return count, height, width, channels[0] if channels else 1


def _channels_first(shape: tuple[int, ...]) -> bool:
    """Whether the second axis looks like channels and the last one does not."""
    return shape[1] in (1, 3) and shape[3] not in (1, 3, 4)


def _labels_and_names(path: Path, arrays: NpzFile) -> tuple[list[NDArray[Any]], list[str]]:
    """Labels (N,) of both splits and the class names, by default the labels themselves."""
    labels = [_labels(path, arrays, split) for split in ("train", "test")]
    if "class_names" in arrays.headers:
        header = arrays.headers["class_names"]
        if header.dtype.kind != "U" or len(header.shape) != 1:
            raise DataError(
                f"{path}: class_names must be a list of texts, np.array([...], dtype='U'). "
                f"Received: dtype={header.dtype}, shape={header.shape}"
            )
        return labels, arrays.read("class_names").tolist()
    _check_no_gaps(path, labels)
    return labels, [str(label) for label in range(int(max(y.max() for y in labels)) + 1)]


def _labels(path: Path, arrays: NpzFile, split: str) -> NDArray[Any]:
    name, count = f"y_{split}", arrays.headers[f"x_{split}"].shape[:1]
    header = arrays.headers[name]
    if header.dtype.kind not in "iu":
        raise DataError(f"{path}: {name} is {header.dtype}; labels must be integers from 0 up")
    if header.shape not in (count, (*count, 1)):
        one_hot = len(header.shape) == 2 and header.shape[:1] == count
        remedy = "turn one-hot labels into y.argmax(axis=1)" if one_hot else None
        raise DataError(
            f"{path}: {name} has shape {header.shape} but x_{split} has "
            f"{', '.join(map(str, count)) or 'no'} images; expected one label an image",
            remedy=remedy,
        )
    if not count[0]:
        raise DataError(f"{path}: x_{split} is empty", remedy="at least one image is needed")
    labels: NDArray[Any] = arrays.read(name)
    return labels.reshape(-1)


def _check_no_gaps(path: Path, labels: list[NDArray[Any]]) -> None:
    """Without class names, the labels in use must be 0, 1, 2 and so on."""
    used = [int(label) for label in np.union1d(*(np.unique(y).astype(object) for y in labels))]
    if used[0] < 0:
        raise DataError(f"{path}: there is a label {used[0]}; labels run from 0 up")
    # Enough candidates to name some missing, however large a stray label is.
    candidates = range(min(used[-1] + 1, len(used) + _NAMED))
    missing = [str(label) for label in candidates if label not in set(used)][:_NAMED]
    absent = used[-1] + 1 - len(used)
    if absent:
        more = f" and {absent - len(missing)} more" if absent > len(missing) else ""
        raise DataError(
            f"{path}: labels run up to {used[-1]} but no image has label "
            f"{', '.join(missing)}{more}",
            remedy="number the classes without gaps, or name them all in class_names",
        )
