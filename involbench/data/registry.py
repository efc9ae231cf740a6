"""Dataset names and what loads each: the one way from a name to images."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from involbench.data import cifar, digits, npz
from involbench.data import image_folder as folder
from involbench.data.dataset import Dataset
from involbench.data.resize import RESIZES, Resize
from involbench.data.source import Description, Notify, Progress, Source, silent
from involbench.errors import DataError


@dataclass(frozen=True)
class Loader:
    """How one kind of dataset is loaded and, at less cost, described; and what it understands."""

    load: Callable[[Source], Dataset]
    describe: Callable[[Source], Description]
    takes_path: bool = False
    takes_image_size: bool = False


LOADERS = {
    "cifar10": Loader(cifar.load_cifar10, cifar.describe_cifar10),
    "cifar100": Loader(cifar.load_cifar100, cifar.describe_cifar100),
    "digits": Loader(digits.load_digits, digits.describe_digits, takes_image_size=True),
    "folder": Loader(
        folder.load_folder, folder.describe_folder, takes_path=True, takes_image_size=True
    ),
    "npz": Loader(npz.load_npz, npz.describe_npz, takes_path=True),
}


def load_dataset(
    dataset: str,
    *,
    path: str | Path | None = None,
    image_size: int | tuple[int, int] | None = None,
    resize: Resize = "stretch",
    test_fraction: float = 0.2,
    notify: Notify = silent,
    progress: Progress = silent,
) -> Dataset:
    """Load a dataset by name.

    Args:
        dataset: cifar10, cifar100, digits, folder or npz.
        path: the folder or file; for folder and npz.
        image_size: a side or (height, width) to resize to; for folder and digits.
        resize: how, where an image has another aspect ratio: stretch, crop or pad.
        test_fraction: share held out where a folder has no test split.
        notify: called with one short line before anything that takes long, such as a download.
        progress: called as `progress(what, done, total)` while images are read and decoded.

    Raises:
        DataError: the dataset is unknown, missing, damaged or unfit; the message says the remedy.
    """
    loader = _loader(dataset, path, image_size, resize)
    return loader.load(_source(path, image_size, resize, test_fraction, notify, progress))


def describe_dataset(
    dataset: str,
    *,
    path: str | Path | None = None,
    image_size: int | tuple[int, int] | None = None,
    resize: Resize = "stretch",
    test_fraction: float = 0.2,
    notify: Notify = silent,
    progress: Progress = silent,
) -> Description:
    """The input shape (H, W, C) and the number of classes, mostly without loading images.

    Takes the arguments of `load_dataset` and raises as it does.
    """
    loader = _loader(dataset, path, image_size, resize)
    return loader.describe(_source(path, image_size, resize, test_fraction, notify, progress))


def _loader(dataset: str, path: object, image_size: object, resize: str) -> Loader:
    if dataset not in LOADERS:
        nearest = difflib.get_close_matches(dataset, LOADERS, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(LOADERS)}"
        raise DataError(f"data.dataset: unknown dataset {dataset!r}", remedy=hint)
    loader = LOADERS[dataset]
    if path is not None and not loader.takes_path:
        raise DataError(
            f"data.path: {dataset} takes no path", remedy="remove it, or use dataset folder or npz"
        )
    if image_size is not None and not loader.takes_image_size:
        takers = " or ".join(name for name, other in LOADERS.items() if other.takes_image_size)
        raise DataError(
            f"data.image_size: {dataset} has a fixed size", remedy=f"it is for dataset {takers}"
        )
    if resize not in RESIZES:
        raise DataError(
            f"data.resize: unknown way {resize!r}", remedy=f"known: {', '.join(RESIZES)}"
        )
    if resize != "stretch" and image_size is None:
        raise DataError(f"data.resize: {resize} needs a size", remedy="set data.image_size")
    return loader


def _source(
    path: str | Path | None,
    image_size: int | tuple[int, int] | None,
    resize: Resize,
    test_fraction: float,
    notify: Notify,
    progress: Progress,
) -> Source:
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    return Source(Path(path) if path else None, size, resize, test_fraction, notify, progress)
