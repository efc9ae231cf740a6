"""What the networks said of the test images that are kept beside the runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from involbench.analysis.comparison import Comparison, ModelResult
from involbench.errors import ResultsError
from involbench.reporting.labels import label, own_point, side_by_side
from involbench.results.kernel_maps import NAME, KeptMaps, read_kernel_maps
from involbench.results.looking import Pictures
from involbench.results.paths import ResultsPath
from involbench.results.pictures import pictures_path, read_pictures
from involbench.results.predictions import Predicted, read_predictions
from involbench.results.reading import StoredRun
from involbench.results.wording import excerpt

_MOST_PLACES = 4


@dataclass(frozen=True, eq=False)
class Said:
    """What one network says of N images."""

    predicted: NDArray[np.int64]
    """(N,)."""
    probability: NDArray[np.float64]
    """Of the predicted class, (N,)."""


@dataclass(frozen=True, eq=False)
class Shown:
    """The images of one sweep point, and what the models' networks of one seed say of them."""

    heading: str
    seed: int
    pictures: Pictures
    class_names: tuple[str, ...]
    said: Mapping[str, Said]
    """By model."""
    maps: Mapping[str, KeptMaps]
    """Of the models with involutions."""
    baseline: str | None
    """The model that the others are held against, where it is among them."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The true classes, (N,)."""
        assert self.pictures.labels is not None
        return self.pictures.labels


def shown_of(
    comparison: Comparison, runs: Sequence[StoredRun], experiment: ResultsPath
) -> tuple[list[Shown], list[str]]:
    """What there is to show at the first sweep points, and what could not be read.

    At each of them the seed is the first that most models have finished.
    """
    by_id = {run.record.run_id: run for run in runs}
    found: list[Shown] = []
    warnings: list[str] = []
    for heading, results in side_by_side(comparison)[:_MOST_PLACES]:
        seeds = sorted(seed for result in results for seed in result.runs)
        if not seeds:
            continue
        seed = max(dict.fromkeys(seeds), key=seeds.count)
        chosen = [(each, by_id[each.runs[seed]]) for each in results if seed in each.runs]
        try:
            shown = _shown(heading, seed, chosen, comparison.baseline, experiment)
            found += [shown] if shown else []
        except ResultsError as error:
            warnings.append(f"{error} (left out of the images)")
    return found, warnings


def _shown(
    heading: str,
    seed: int,
    chosen: Sequence[tuple[ModelResult, StoredRun]],
    baseline: str | None,
    experiment: ResultsPath,
) -> Shown | None:
    """None where no images are kept, or no predictions of them."""
    facts = {run.record.data.fingerprint: run.record.data for _, run in chosen if run.record.data}
    path = pictures_path(experiment, next(iter(facts), ""))
    if len(facts) != 1 or not path.exists():
        return None
    pictures, said, maps, first = (
        read_pictures(path),
        dict[str, Said](),
        dict[str, KeptMaps](),
        None,
    )
    for result, run in chosen:
        name = label(result.model, own_point(result))
        if (run.path / NAME).exists():
            maps[name] = read_kernel_maps(run.path)
        if (run.path / "predictions.npz").exists():
            said[name] = _said(read_predictions(run), pictures, path)
            first = first or (name if result.model == baseline else None)
    ((_, data),) = facts.items()
    names = tuple(excerpt(name, 24) for name in data.class_names)
    return Shown(heading, seed, pictures, names, said, maps, first) if said else None


def _said(predictions: Predicted, pictures: Pictures, path: ResultsPath) -> Said:
    indices = np.array(list(map(int, pictures.names)))
    inside = indices.max() < len(predictions.labels)
    if not inside or (predictions.labels[indices] != pictures.labels).any():
        raise ResultsError(f"{path}: damaged: not the images that the runs were tested on")
    probabilities = predictions.probabilities[indices]
    return Said(predictions.predicted[indices], probabilities.max(axis=1))
