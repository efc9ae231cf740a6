"""Two models on the same test images: image by image, and the error that the images add."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from involbench.comparison.schema import Difference, OverImages, Summary, TrainedPair
from involbench.comparison.selection import Arm
from involbench.results.arrays import PredictedClasses, if_stored, read_classes, read_predictions
from involbench.results.tree import StoredRun
from involbench.statistics.crossed_effects import images_error, widened
from involbench.statistics.hypothesis_tests import mcnemar_p


def trained_pair(this: Arm, other: Arm, seed: int, warnings: list[str]) -> TrainedPair | None:
    """Compare the runs of one seed image by image; None where predictions are missing."""
    first, second = (_read(read_predictions, arm, {seed}, warnings) for arm in (this, other))
    if not (first and second):
        return None
    pair = mcnemar(first[0], second[0])
    if pair is None:
        warnings.append(f"{this.model} and {other.model} have different test labels")
    return pair


def mcnemar(this: PredictedClasses, baseline: PredictedClasses) -> TrainedPair | None:
    """Compare the predictions of two trained networks; None if their labels differ."""
    if not np.array_equal(this.labels, baseline.labels):
        return None
    only_this = int(np.sum(this.correct & ~baseline.correct))
    only_baseline = int(np.sum(baseline.correct & ~this.correct))
    return TrainedPair(
        images=len(this.labels),
        only_this_right=only_this,
        only_baseline_right=only_baseline,
        p=mcnemar_p(only_this, only_baseline),
    )


Known = dict[tuple[int, frozenset[int]], list[PredictedClasses]]
"""What was read before, by the identity of the arm and its seeds: a baseline is read once."""


def over_images(
    difference: Difference,
    these: tuple[Arm, Summary],
    others: tuple[Arm, Summary],
    known: Known,
    warnings: list[str],
) -> Difference:
    """A difference in test accuracy, with its interval over runs and test images.

    The interval is of what other runs on other images of the same kind would give. None is added
    where a run has no predictions, or they are for other images.

    Args:
        difference: The difference, with its interval over runs.
        these: The runs of the model, and its accuracies that are compared.
        others: The same of the baseline.
        known: What is read is added.
        warnings: Files that can't be read are added.
    """
    if difference.interval is None or difference.mean is None:
        return difference
    pairs = difference.by_seed if difference.design == "paired" else None
    sides = []
    for arm, summary in (these, others):
        key = id(arm), frozenset(summary.by_seed if pairs is None else pairs)
        if key not in known:
            known[key] = _read(read_classes, arm, key[1], warnings)
        sides.append(known[key])
    first, second = sides
    if not (first and second):
        return difference
    labels = first[0].labels
    if len(labels) < 2 or not all(np.array_equal(e.labels, labels) for e in (*first, *second)):
        return difference
    error = images_error(_scores(first), _scores(second))
    low, high = widened(difference.mean, difference.interval, error, difference.level)
    update: dict[str, object] = {
        "over_images": OverImages(images=len(labels), standard_error=error, interval=(low, high))
    }
    if difference.verdict in ("higher", "lower") and low <= 0 <= high:
        note = f"the verdict is for these {len(labels):,} test images only"
        update["notes"] = (*difference.notes, note)
    return difference.model_copy(update=update)


def _scores(runs: Sequence[PredictedClasses]) -> NDArray[np.float64]:
    return np.array([run.correct for run in runs], np.float64)


def _read(
    read: Callable[[StoredRun], PredictedClasses],
    arm: Arm,
    seeds: Collection[int],
    warnings: list[str],
) -> list[PredictedClasses]:
    """What the runs of some seeds predicted; nothing where one has no predictions."""
    found = []
    for run in arm.finished:
        if run.record.trial.seed in seeds:
            classes = if_stored(read, run, warnings)
            if classes is None:
                return []
            found.append(classes)
    return found
