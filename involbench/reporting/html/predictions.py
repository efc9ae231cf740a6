"""Read the predictions of the networks: over all test images, and for the sample images."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from involbench.comparison.schema import Comparison, ModelResult
from involbench.errors import ResultsError
from involbench.reporting.tables.cells import label, own_point, side_by_side
from involbench.reporting.units import counted
from involbench.results.arrays import (
    NAME,
    ImageBatch,
    KernelSums,
    StoredPredictions,
    read_kernel_maps,
    read_predictions,
    read_sample_images,
    sample_images_path,
)
from involbench.results.paths import ResultsPath
from involbench.results.tree import StoredRun
from involbench.statistics.classification import confidence_bins, confusion
from involbench.text import excerpt

_MOST_CLASSES = 1000
_LEFT_OUT = "left out of confusion and calibration"


@dataclass(frozen=True)
class AggregatedPredictions:
    """The predictions of one model for the test images, over its seeds."""

    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]
    """(true class, predicted class), summed over the seeds."""
    bins: NDArray[np.float64]
    """See `confidence_bins`; summed over the seeds."""
    labels: NDArray[np.int64]
    """The true classes, (images,)."""
    hits: dict[int, NDArray[np.bool_]]
    """Seed -> whether each prediction was right, (images,)."""

    @property
    def confusion_shares(self) -> NDArray[np.float64]:
        """The confusion as fractions of each true class; NaN for a class without images."""
        totals = self.confusion.sum(axis=1, keepdims=True).astype(float)
        totals[totals == 0] = np.nan
        shares: NDArray[np.float64] = self.confusion / totals
        return shares


def aggregate_predictions(
    results: Sequence[ModelResult], runs: Sequence[StoredRun], most: int
) -> tuple[dict[str, AggregatedPredictions], list[str]]:
    """Sum the predictions of each row over its first `most` seeds; also warnings."""
    by_id = {run.record.run_id: run for run in runs}
    found: dict[str, AggregatedPredictions] = {}
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
                one = _aggregated(run, seed)
                found[name] = _sum(found[name], one) if name in found else one
            except ResultsError as error:
                warnings.append(f"{error} ({_LEFT_OUT})")
    if missing:
        lost = counted(missing, "finished run")
        warnings.append(f"predictions.npz of {lost} is missing ({_LEFT_OUT})")
    return found, warnings


def _aggregated(run: StoredRun, seed: int) -> AggregatedPredictions:
    path = run.path / "predictions.npz"
    predictions = read_predictions(run)
    classes = predictions.probabilities.shape[1]
    if classes > _MOST_CLASSES:
        raise ResultsError(f"{path}: more than {_MOST_CLASSES:,} classes")
    if not isfinite(predictions.probabilities.sum()):
        raise ResultsError(f"{path}: some probabilities are not finite numbers")
    names = run.record.data.class_names if run.record.data else ()
    if len(names) != classes:
        names = tuple(map(str, range(classes)))
    return AggregatedPredictions(
        tuple(excerpt(name, 60) for name in names),
        confusion(predictions.labels, predictions.predicted, classes),
        confidence_bins(predictions.labels, predictions.probabilities),
        predictions.labels,
        {seed: predictions.labels == predictions.predicted},
    )


def _sum(these: AggregatedPredictions, one: AggregatedPredictions) -> AggregatedPredictions:
    same = these.confusion.shape == one.confusion.shape
    if not same or not np.array_equal(these.labels, one.labels):
        seeds = " and ".join(str(next(iter(each.hits))) for each in (one, these))
        raise ResultsError(f"the predictions of seeds {seeds} are for different images or classes")
    return AggregatedPredictions(
        these.class_names,
        these.confusion + one.confusion,
        these.bins + one.bins,
        these.labels,
        these.hits | one.hits,
    )


_MOST_PLACES = 4


@dataclass(frozen=True, eq=False)
class ModelPredictions:
    """The predictions of one network for N images."""

    predicted: NDArray[np.int64]
    """(N,)."""
    probability: NDArray[np.float64]
    """Of the predicted class, (N,)."""


@dataclass(frozen=True, eq=False)
class SamplePredictions:
    """Sample images of one sweep point, with the predictions of one seed of each model."""

    heading: str
    seed: int
    images: ImageBatch
    class_names: tuple[str, ...]
    predictions: Mapping[str, ModelPredictions]
    """By model."""
    maps: Mapping[str, KernelSums]
    """By model; only models with involutions."""
    baseline: str | None
    """The baseline, if it has predictions."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The true classes, (N,)."""
        assert self.images.labels is not None
        return self.images.labels


def sample_predictions(
    comparison: Comparison, runs: Sequence[StoredRun], experiment: ResultsPath
) -> tuple[list[SamplePredictions], list[str]]:
    """Read the sample images of the first sweep points; also warnings.

    The seed is the first of those that the most models have finished.
    """
    by_id = {run.record.run_id: run for run in runs}
    found: list[SamplePredictions] = []
    warnings: list[str] = []
    for heading, results in side_by_side(comparison)[:_MOST_PLACES]:
        seeds = sorted(seed for result in results for seed in result.runs)
        if not seeds:
            continue
        ((seed, _),) = Counter(seeds).most_common(1)
        chosen = [(each, by_id[each.runs[seed]]) for each in results if seed in each.runs]
        try:
            samples = _samples(heading, seed, chosen, comparison.baseline, experiment)
            found += [samples] if samples else []
        except ResultsError as error:
            warnings.append(f"{error} (left out of the images)")
    return found, warnings


def _samples(
    heading: str,
    seed: int,
    chosen: Sequence[tuple[ModelResult, StoredRun]],
    baseline: str | None,
    experiment: ResultsPath,
) -> SamplePredictions | None:
    """None if no images, or no predictions of them, were stored."""
    facts = {run.record.data.fingerprint: run.record.data for _, run in chosen if run.record.data}
    path = sample_images_path(experiment, next(iter(facts), ""))
    if len(facts) != 1 or not path.exists():
        return None
    images, first = read_sample_images(path), None
    predictions, maps = dict[str, ModelPredictions](), dict[str, KernelSums]()
    for result, run in chosen:
        name = label(result.model, own_point(result))
        if (run.path / NAME).exists():
            maps[name] = read_kernel_maps(run.path)
        if (run.path / "predictions.npz").exists():
            predictions[name] = _model_predictions(read_predictions(run), images, path)
            first = first or (name if result.model == baseline else None)
    ((_, data),) = facts.items()
    names = tuple(excerpt(name, 24) for name in data.class_names)
    found = SamplePredictions(heading, seed, images, names, predictions, maps, first)
    return found if predictions else None


def _model_predictions(
    predictions: StoredPredictions, images: ImageBatch, path: ResultsPath
) -> ModelPredictions:
    indices = np.array(list(map(int, images.names)))
    inside = indices.max() < len(predictions.labels)
    if not inside or (predictions.labels[indices] != images.labels).any():
        raise ResultsError(f"{path}: damaged: these are not the test images of the runs")
    probabilities = predictions.probabilities[indices]
    return ModelPredictions(predictions.predicted[indices], probabilities.max(axis=1))
