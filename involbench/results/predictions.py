"""Reading `predictions.npz`: what a trained network said of the test images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.results.arrays import read_arrays


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
    found = Predicted(
        **read_arrays(path, labels=np.int64, predicted=np.int64, probabilities=np.float64)
    )
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
