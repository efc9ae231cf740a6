"""Labels and probabilities -> macro F1 and calibration."""

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
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    # A bin holds its upper end, as in the authors' code.
    bins = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(labels))
