"""The interval of a share and Fisher's test against scipy."""

import numpy as np
import pytest
from scipy import stats

from involbench.statistics.shares import fisher_p, share_interval


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_of_a_share_is_scipys(level: float) -> None:
    counts = [(k, n) for n in (1, 2, 6, 30) for k in range(n + 1)]
    for count, total in [*counts, (7, 373), (12_000, 25_000)]:
        wanted = stats.binomtest(count, total).proportion_ci(level, method="exact")
        assert share_interval(count, total, level) == pytest.approx([*wanted], abs=1e-9)


def test_half_of_six_is_anything_from_12_to_88_percent() -> None:
    low, high = share_interval(3, 6)
    assert (round(low, 3), round(high, 3)) == (0.118, 0.882)


def test_fisher_p_is_scipys() -> None:
    rng = np.random.default_rng(4)
    tables = [
        (int(rng.integers(n + 1)), n, int(rng.integers(m + 1)), m)
        for n, m in rng.integers(1, 40, (400, 2)).tolist()
    ]
    for count, total, other, others in [*tables, (0, 6, 0, 6), (300, 25_000, 350, 25_000)]:
        table = [[count, total - count], [other, others - other]]
        assert fisher_p(count, total, other, others) == pytest.approx(
            stats.fisher_exact(table).pvalue, rel=1e-6
        )
    assert fisher_p(6, 6, 0, 6) == pytest.approx(2 / 924)
