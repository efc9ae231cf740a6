"""Reading `predictions.npz`: what a trained network said of the test images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.results.arrays import arrays_in
from involbench.results.limits import PREDICTIONS
from involbench.results.reading import StoredRun


@dataclass(frozen=True)
class Predicted:
    """N test images and C classes."""

    labels: NDArray[np.int64]
    """The true classes, (N,)."""
    predicted: NDArray[np.int64]
    """The most probable classes, (N,)."""
    probabilities: NDArray[np.float64]
    """(N, C)."""


def read_predictions(run: StoredRun) -> Predicted:
    """Read `predictions.npz` of a run: as many images and classes as its record says.

    Raises:
        ResultsError: It is missing, damaged, or does not hold what it should.
    """
    path, facts = run.path / "predictions.npz", run.record.data
    if facts is None:
        raise ResultsError(f"{path}: cannot be read: run.json does not say of how many images")
    images, classes = facts.test_size, len(facts.class_names)
    with arrays_in(path, PREDICTIONS) as arrays:
        found = Predicted(
            arrays.read("labels", np.int64, images),
            arrays.read("predicted", np.int64, images),
            arrays.read("probabilities", np.float64, images, classes),
        )
        both = np.concatenate([found.labels, found.predicted])
        if not images or both.min() < 0 or both.max() >= classes:
            raise ValueError(f"its classes do not run from 0 to {classes - 1}")
    return found
