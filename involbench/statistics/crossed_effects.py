"""What the choice of test images adds to the error of a difference between two models.

Runs and images are crossed random effects: every run is tested on every image.
"""

from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def images_error(first: Floats, second: Floats) -> float:
    """The standard error that the draw of N images adds to mean(first) - mean(second).

    Estimated from the mean squares of the two-way layout without replication; Searle, Casella and
    McCulloch, "Variance Components" (1992), chapter 4. What differs between runs on single images
    is left to the error over runs. A single run can't be divided so, and all of it counts here.

    Args:
        first: (runs, N): the scores of each run, such as 1 where it is right and 0 elsewhere.
        second: (runs, N): those of the other model, for the same N images, at least two.
    """
    by_image = first.mean(axis=0) - second.mean(axis=0)
    variance = by_image.var(ddof=1) - sum(_residual(each) / len(each) for each in (first, second))
    return sqrt(max(float(variance), 0.0) / len(by_image))


def widened(
    estimate: float, interval: tuple[float, float], error: float, level: float
) -> tuple[float, float]:
    """The interval of a difference with the error of another, independent source.

    Zou and Donner, "Construction of confidence limits about effect measures: a general approach",
    Statistics in Medicine 27 (2008), equation 4: the distances of each end add in squares.

    Args:
        estimate: The difference.
        interval: Its interval, without the other source.
        error: The standard error of the other source; normal.
        level: Confidence level of the interval.
    """
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    low, high = (np.hypot(estimate - end, reach) for end in interval)
    return float(estimate - low), float(estimate + high)


def _residual(scores: Floats) -> float:
    """The mean square of what neither the run nor the image explains; 0 for a single run."""
    runs, images = scores.shape
    if runs < 2:
        return 0.0
    rest = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    return float(np.sum(rest**2) / ((runs - 1) * (images - 1)))
