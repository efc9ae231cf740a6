"""Labels and probabilities -> macro F1, confusion and calibration."""

import numpy as np
from numpy.typing import NDArray

_BINS = 15


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """The mean over classes of the harmonic mean of precision and recall, a fraction.

    As `sklearn.metrics.f1_score(average="macro")`: over every class that is true of an image or
    was predicted for one; a class never hit counts 0.

    Args:
        labels: True classes, (N,), N at least 1.
        predicted: Predicted classes, (N,).
    """
    size = int(max(labels.max(), predicted.max())) + 1
    hits = np.bincount(labels[labels == predicted], minlength=size)
    both = np.bincount(labels, minlength=size) + np.bincount(predicted, minlength=size)
    seen = both > 0
    return float(np.mean(2 * hits[seen] / both[seen]))


def expected_calibration_error(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> float:
    """How far confidence is from accuracy, a fraction.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: the highest probabilities
    fall into 15 bins of equal width; the mean over images of the distance between accuracy and
    mean confidence in their bin.

    Args:
        labels: True classes, (N,), N at least 1.
        probabilities: (N, classes), rows that sum to 1.

    Returns:
        NaN where a probability is not finite.
    """
    if not np.isfinite(probabilities).all():
        return float("nan")
    _, confidence, right = confidence_bins(labels, probabilities)
    return float(np.abs(right - confidence).sum() / len(labels))


def confidence_bins(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What calibration is judged by, in 15 bins of equal width of the highest probability.

    Args:
        labels: True classes, (N,).
        probabilities: (N, classes), finite, rows that sum to 1.

    Returns:
        (3, 15): of each bin the number of images, the sum of their highest probabilities, and how
        many were right. Those of several runs can be added up.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    # A bin holds its upper end, as in the authors' code.
    bins = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    sums = [np.bincount(bins, weights=each, minlength=_BINS) for each in (confidence, right)]
    return np.stack([np.bincount(bins, minlength=_BINS).astype(float), *sums])


def confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """How many images of each class were taken for each class.

    Args:
        labels: True classes, (N,).
        predicted: Predicted classes, (N,).
        classes: How many there are.

    Returns:
        (classes, classes): row by true, column by predicted class.
    """
    pairs = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return pairs.reshape(classes, classes)
