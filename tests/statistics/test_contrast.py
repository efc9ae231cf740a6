"""A difference of two differences: against scipy where it is Welch's test, and by simulation."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from involbench.statistics.contrast import difference_of_differences


def test_of_two_samples_that_vary_it_is_the_test_of_welch() -> None:
    rng = np.random.default_rng(3)
    for n, m in ((2, 3), (6, 6), (4, 11)):
        a, b = rng.normal(1, 1, n), rng.normal(0, 4, m)
        expected = ttest_ind(a, b - 0.5, equal_var=False)
        low, high = expected.confidence_interval(0.9)
        found = difference_of_differences((a, b, [2.0, 2.0], [2.5, 2.5, 2.5]), level=0.9)
        assert found == pytest.approx((a.mean() - b.mean() + 0.5, low, high, expected.pvalue))


def test_two_points_are_exchanged_with_the_sign() -> None:
    a, b, c, d = [0.1, 0.3, 0.25], [0.2, 0.1, 0.4], [0.9, 0.7], [0.5, 0.6, 0.55]
    estimate, low, high, p = difference_of_differences((a, b, c, d))
    assert difference_of_differences((c, d, a, b)) == pytest.approx((-estimate, -high, -low, p))
    assert estimate == pytest.approx(-1 / 60 - 0.25)


@pytest.mark.parametrize(
    "samples", [([1.0], [1, 2], [3, 4], [5, 6]), ([1, 1], [1, 1], [2, 2], [2, 2])]
)
def test_without_a_known_error_there_is_no_interval(samples: tuple[list[float], ...]) -> None:
    _, low, high, p = difference_of_differences(samples)
    assert (low, high, p) == (-np.inf, np.inf, 1.0)


@pytest.mark.parametrize("spread", [(1, 1, 1, 1), (3, 1, 1, 1)])
def test_it_covers_a_true_difference_with_six_runs_each(spread: tuple[int, ...]) -> None:
    """The points and the models differ by much, which must not count."""
    rng, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        values = rng.normal(size=(4, 6)) * np.array(spread)[:, None]
        values += np.array([10.3, 5, 2, -3])[:, None]  # (10.3 - 5) - (2 + 3) = 0.3
        _, low, high, _ = difference_of_differences(values.tolist())
        covered += low <= 0.3 <= high
    assert 930 <= covered <= 970
