"""The predictions of all seeds of a model, added up."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from involbench.analysis.comparison import ModelResult
from involbench.analysis.predictions import confidence_bins, confusion
from involbench.errors import ResultsError
from involbench.reporting.labels import label
from involbench.results.predictions import read_predictions
from involbench.results.reading import StoredRun
from involbench.results.wording import excerpt

_MOST_CLASSES = 1000
_LEFT_OUT = "left out of confusion and calibration"


@dataclass(frozen=True)
class Judged:
    """What the networks of one model said of the test images."""

    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]
    """(classes, classes): row by true, column by predicted class, summed over the seeds."""
    bins: NDArray[np.float64]
    """As `confidence_bins`, summed over the seeds."""
    labels: NDArray[np.int64]
    """The true classes, (images,)."""
    hits: dict[int, NDArray[np.bool_]]
    """Seed -> whether each image was right, (images,)."""

    @property
    def shares(self) -> NDArray[np.float64]:
        """The confusion as fractions of each true class; NaN where it has no image."""
        totals = self.confusion.sum(axis=1, keepdims=True).astype(float)
        totals[totals == 0] = np.nan
        shares: NDArray[np.float64] = self.confusion / totals
        return shares


def judged_of(
    results: Sequence[ModelResult], runs: Sequence[StoredRun], most: int
) -> tuple[dict[str, Judged], list[str]]:
    """What is known of each row of a comparison, of so many seeds, and what is left out."""
    by_id = {run.record.run_id: run for run in runs}
    found: dict[str, Judged] = {}
    warnings: list[str] = []
    missing = 0
    for result in results:
        name = label(result.model, result.point)
        for seed, run_id in islice(result.runs.items(), most):
            run = by_id[run_id]
            if not (run.path / "predictions.npz").exists():
                missing += 1
                continue
            try:
                one = _judged(run, seed)
                found[name] = _together(found[name], one) if name in found else one
            except ResultsError as error:
                warnings.append(f"{error} ({_LEFT_OUT})")
    if missing:
        lost = f"{missing} finished run{'' if missing == 1 else 's'}"
        warnings.append(f"predictions.npz of {lost} is missing ({_LEFT_OUT})")
    return found, warnings


def _judged(run: StoredRun, seed: int) -> Judged:
    path = run.path / "predictions.npz"
    predictions = read_predictions(run)
    classes = predictions.probabilities.shape[1]
    if classes > _MOST_CLASSES:
        raise ResultsError(f"{path}: more than {_MOST_CLASSES:,} classes")
    if not isfinite(predictions.probabilities.sum()):
        raise ResultsError(f"{path}: holds probabilities that are no numbers")
    names = run.record.data.class_names if run.record.data else ()
    if len(names) != classes:
        names = tuple(map(str, range(classes)))
    return Judged(
        tuple(excerpt(name, 60) for name in names),
        confusion(predictions.labels, predictions.predicted, classes),
        confidence_bins(predictions.labels, predictions.probabilities),
        predictions.labels,
        {seed: predictions.labels == predictions.predicted},
    )


def _together(these: Judged, one: Judged) -> Judged:
    same = these.confusion.shape == one.confusion.shape
    if not same or not np.array_equal(these.labels, one.labels):
        seeds = " and ".join(str(next(iter(each.hits))) for each in (one, these))
        raise ResultsError(f"the predictions of seeds {seeds} are of other images or classes")
    return Judged(
        these.class_names,
        these.confusion + one.confusion,
        these.bins + one.bins,
        these.labels,
        these.hits | one.hits,
    )
