"""The difference that a test is said to find four times in five."""

import numpy as np
import pytest
from scipy import stats

from involbench.statistics import two_sample
from involbench.statistics.power import _student, detectable_deviations, runs_to_decide


@pytest.mark.parametrize(("runs", "alpha"), [(4, 0.05), (6, 0.05), (6, 0.01), (8, 0.05)])
def test_the_permutation_test_finds_it_four_times_in_five(runs: int, alpha: float) -> None:
    rng, effect = np.random.default_rng(runs), detectable_deviations(runs, alpha)
    found = sum(
        two_sample(rng.normal(effect, 1, runs), rng.normal(0, 1, runs), 1.0).p <= alpha
        for _ in range(600)
    )
    assert 0.74 < found / 600 < 0.86


@pytest.mark.parametrize("freedom", [3, 4, 6, 10, 58])
def test_quantiles_of_t_are_scipys(freedom: int) -> None:
    for share in (0.8, 0.975, 0.99, 0.995):
        assert _student(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=0.03)


def test_so_many_runs_find_the_difference_that_the_samples_have() -> None:
    """The inverse of `detectable_deviations`, where both know the spread."""
    ones = [-1.0, 1.0] * 500  # Their standard deviation is 1.
    for runs in (6, 20, 100):
        found = runs_to_decide(detectable_deviations(runs, 0.05), [ones, ones], 0.05)
        assert found == pytest.approx(runs, abs=1)
    assert runs_to_decide(0.5, [ones] * 4, 0.05) == pytest.approx(
        2 * runs_to_decide(0.5, [ones] * 2, 0.05), rel=0.05
    )


def test_some_differences_are_never_found() -> None:
    assert runs_to_decide(0.0, [(0.1, 0.2), (0.1, 0.2)], 0.05) is None
    assert runs_to_decide(1e-9, [(0.1, 0.2), (0.1, 0.2)], 0.05) is None
    assert runs_to_decide(0.5, [(0.1,), (0.1, 0.2)], 0.05) is None
