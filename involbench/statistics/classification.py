"""Scores of a classifier, from its labels, predictions and accuracies."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from involbench.registry import metric

_BINS = 15


@metric(title="macro F1", header="macro F1 %", unit="percent", better="higher")
def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """The mean over classes of the harmonic mean of precision and recall, a fraction.

    As `sklearn.metrics.f1_score(average="macro")`: over every class that is among the labels or
    the predictions. A class that is never predicted correctly counts as 0.

    Args:
        labels: True classes, (N,), N at least 1.
        predicted: Predicted classes, (N,).
    """
    size = int(max(labels.max(), predicted.max())) + 1
    hits = np.bincount(labels[labels == predicted], minlength=size)
    both = np.bincount(labels, minlength=size) + np.bincount(predicted, minlength=size)
    seen = both > 0
    return float(np.mean(2 * hits[seen] / both[seen]))


@metric(
    title="calibration error",
    header="ECE %",
    unit="percent",
    better="lower",
    favors_constant_predictor=True,
)
def expected_calibration_error(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> float:
    """How far confidence is from accuracy, a fraction.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: the highest probabilities
    fall into 15 bins of equal width. The error is the mean over images of the distance between
    accuracy and mean confidence in their bin.

    Args:
        labels: True classes, (N,), N at least 1.
        probabilities: (N, classes), rows that sum to 1.

    Returns:
        NaN where a probability is not finite.
    """
    if not np.isfinite(probabilities).all():
        return float("nan")
    _, confidence, correct = confidence_bins(labels, probabilities)
    return float(np.abs(correct - confidence).sum() / len(labels))


def confidence_bins(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The images in 15 bins of equal width by their highest probability.

    Args:
        labels: True classes, (N,).
        probabilities: (N, classes), finite, rows that sum to 1.

    Returns:
        (3, 15): for each bin the number of images, the sum of their highest probabilities, and the
        number predicted correctly. The bins of several runs can be added up.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    # A bin contains its upper end, as in the code of the paper's authors.
    bins = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    sums = [np.bincount(bins, weights=each, minlength=_BINS) for each in (confidence, correct)]
    return np.stack([np.bincount(bins, minlength=_BINS).astype(float), *sums])


def confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """The confusion matrix, (classes, classes): row by true class, column by predicted class."""
    pairs = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return pairs.reshape(classes, classes)


def never_left_chance(accuracies: Sequence[float | None], chance: float, size: int) -> bool:
    """Whether a run collapsed: no epoch's accuracy is above what chance would give.

    A network that ignores its input predicts each image correctly with probability `chance`, so
    its accuracy on `size` images has standard deviation sqrt(chance * (1 - chance) / size). An
    accuracy has left chance when it is more than three standard deviations above it.

    Args:
        accuracies: Validation accuracy after each epoch, a fraction; None where it was not
            measured or not finite. Where nothing was measured, the run did not collapse.
        chance: Share of the most frequent class, a fraction.
        size: Number of images behind each accuracy; positive.
    """
    measured = [accuracy for accuracy in accuracies if accuracy is not None]
    threshold = chance + 3 * sqrt(chance * (1 - chance) / size)
    return bool(measured) and max(measured) <= threshold
