"""The difference that a test is said to find four times in five."""

import numpy as np
import pytest
from scipy import stats

from involbench.statistics import two_sample
from involbench.statistics.power import _student, detectable_deviations


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
