"""Images to show a trained network: the user's own, or some of its test images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from involbench.data import Dataset
from involbench.data.decode_files import ImageFiles, decode_files
from involbench.data.resize import Resize
from involbench.data.source import silent
from involbench.data.subsets import balanced_subset
from involbench.errors import DataError, UsageError
from involbench.results.looking import Pictures
from involbench.results.paths import ResultsPath
from involbench.results.pictures import (
    MOST_BYTES,
    MOST_PICTURES,
    pictures_path,
    write_pictures,
)
from involbench.results.record import DataFacts

_SEED = 0
"""Of the choice of test images, so that every run on the same data is shown the same ones."""


def own_pictures(files: Sequence[str], facts: DataFacts, how: Resize) -> Pictures:
    """Decode image files of any size, resized as the run's training images were.

    Raises:
        DataError: Some are no images.
        UsageError: The network takes pixels of a kind that no file is turned into.
    """
    height, width, channels = facts.input_shape
    if channels not in (1, 3):
        raise UsageError(
            f"the network takes images of {channels} channels, which image files do not have",
            remedy="use --test N for its test images",
        )
    pixels, _ = decode_files(ImageFiles.of(Path.cwd(), files, (height, width), how), silent)
    return Pictures(tuple(files), pixels if channels == 3 else _grey(pixels), None)


def tested_pictures(
    dataset: Dataset, facts: DataFacts, count: int, chosen: Sequence[int] = ()
) -> Pictures:
    """Test images: the chosen ones, else `count` of them, of all classes in turn.

    Raises:
        DataError: The dataset is not the one that the run was tested on.
    """
    if dataset.fingerprint != facts.fingerprint:
        raise DataError(
            f"{dataset.name} is no longer what the run was tested on: its fingerprint is "
            f"{dataset.fingerprint[:12]}, that of the run's images {facts.fingerprint[:12]}"
        )
    taken = np.array(chosen) if chosen else balanced_subset(dataset.y_test, count, _SEED)
    return _pictures(dataset, taken)


def keep_pictures(experiment: ResultsPath, dataset: Dataset) -> None:
    """Keep some test images of all classes in an experiment's folder, unless it has them.

    Raises:
        ResultsError: The folder cannot be written.
    """
    path = pictures_path(experiment, dataset.fingerprint)
    count = min(MOST_PICTURES, len(dataset.y_test), MOST_BYTES // dataset.x_test[0].nbytes)
    if count and not path.exists():
        taken = balanced_subset(dataset.y_test, count, _SEED)
        write_pictures(path, _pictures(dataset, taken))


def _pictures(dataset: Dataset, taken: NDArray[np.int64]) -> Pictures:
    names = tuple(str(index) for index in taken.tolist())
    return Pictures(names, dataset.x_test[taken], dataset.y_test[taken])


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, W, 3) -> (N, H, W, 1)."""
    grey = [np.asarray(Image.fromarray(image).convert("L")) for image in pixels]
    return np.stack(grey)[..., np.newaxis]
