"""The error that test images add to a difference, against sums written out."""

import numpy as np
import pytest

from involbench.statistics.crossed_effects import images_error, widened


def _by_sums(first: np.ndarray, second: np.ndarray) -> float:
    """The estimate from the textbook's sums of squares, by loops."""
    images, residuals = first.shape[1], 0.0
    for scores in (first, second):
        runs, squares = len(scores), 0.0
        for s in range(runs):
            for i in range(images):
                expected = scores[s].mean() + scores[:, i].mean() - scores.mean()
                squares += (scores[s, i] - expected) ** 2
        if runs > 1:
            residuals += squares / (runs - 1) / (images - 1) / runs
    differences = [first[:, i].mean() - second[:, i].mean() for i in range(images)]
    center = sum(differences) / images
    variance = sum((each - center) ** 2 for each in differences) / (images - 1) - residuals
    return max(variance, 0.0) ** 0.5 / images**0.5


@pytest.mark.parametrize(("n", "m", "images"), [(6, 6, 50), (1, 3, 2), (1, 1, 9), (4, 2, 31)])
def test_the_error_is_that_of_the_sums_of_squares(n: int, m: int, images: int) -> None:
    rng = np.random.default_rng(n)
    easy = rng.random(images)
    first, second = ((rng.random((runs, images)) < easy).astype(float) for runs in (n, m))
    assert images_error(first, second) == pytest.approx(_by_sums(first, second))


def test_images_that_every_run_treats_alike_add_what_their_number_gives() -> None:
    """All runs agree: 30 images only the first model gets right, 10 only the second, of 100."""
    first, second = np.zeros((3, 100)), np.zeros((5, 100))
    first[:, :30] = 1
    second[:, 30:40] = 1
    variance = (0.3 + 0.1 - 0.2**2) * 100 / 99
    assert images_error(first, second) == pytest.approx((variance / 100) ** 0.5)
    assert images_error(first, first) == 0.0


def test_two_sources_of_error_add_in_squares() -> None:
    low, high = widened(1.0, (-2.0, 7.0), 4 / 1.959964, 0.95)
    assert (low, high) == pytest.approx((1 - 5, 1 + 52**0.5))
    assert widened(1.0, (0.5, 1.5), 0.0, 0.95) == (0.5, 1.5)
