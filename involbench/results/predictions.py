"""Reading `predictions.npz`: what a trained network said of the test images."""

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.results.files import read_bytes

_LARGEST = 2**28
"""Bytes of all arrays together, unpacked."""


@dataclass(frozen=True)
class Predicted:
    """N test images and C classes."""

    labels: NDArray[np.int64]
    """The true classes, (N,)."""
    predicted: NDArray[np.int64]
    """The most probable classes, (N,)."""
    probabilities: NDArray[np.float64]
    """(N, C)."""


def read_predictions(folder: Path) -> Predicted:
    """Read `predictions.npz` of a run folder. Nothing in it can run code.

    Raises:
        ResultsError: It is missing, damaged, or does not hold what it should.
    """
    path = folder / "predictions.npz"
    try:
        content = BytesIO(read_bytes(path))
        with zipfile.ZipFile(content) as archive:
            if sum(item.file_size for item in archive.infolist()) > _LARGEST:
                raise ResultsError(f"{path}: cannot be read: larger than 256 MiB when unpacked")
        with np.load(content, allow_pickle=False) as arrays:
            found = Predicted(
                labels=arrays["labels"].astype(np.int64, casting="safe"),
                predicted=arrays["predicted"].astype(np.int64, casting="safe"),
                probabilities=arrays["probabilities"].astype(np.float64, casting="safe"),
            )
    except (ValueError, TypeError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ResultsError(f"{path}: damaged: not the predictions of a run") from error
    if not _fits(found):
        raise ResultsError(f"{path}: damaged: its arrays do not fit each other")
    return found


def _fits(found: Predicted) -> bool:
    if found.probabilities.ndim != 2 or found.labels.ndim != 1:
        return False
    images, classes = found.probabilities.shape
    if not found.labels.shape == found.predicted.shape == (images,) or not found.labels.size:
        return False
    both = np.concatenate([found.labels, found.predicted])
    return bool(both.min() >= 0 and both.max() < classes)
