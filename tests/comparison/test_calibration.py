"""The verdicts, on experiments of which the answer is known: `make calibrate` in short."""

import pytest

from benchmarks.calibrate import calibrate
from involbench.comparison.pairing import verdict

EXPERIMENTS = 1000
SLACK = 0.021
"""Three standard errors of a share of 5% in so many experiments."""


@pytest.mark.parametrize("distribution", ["normal", "one in ten collapsed"])
@pytest.mark.parametrize("pairs", [6, 10, 20])
def test_the_same_model_twice_is_seldom_called_different(distribution: str, pairs: int) -> None:
    found = calibrate(distribution, pairs, EXPERIMENTS, resamples=999)
    assert found.false_verdicts <= 0.05 + SLACK
    assert found.power[0] <= found.power[1] <= found.power[2]


def test_what_is_two_deviations_apart_is_found_with_ten_pairs() -> None:
    assert calibrate("normal", 10, EXPERIMENTS, resamples=999).power[2] > 0.9


def test_the_interval_alone_would_be_too_bold() -> None:
    """Which is why the verdict asks for p too: six pairs miss zero too often."""
    found = calibrate("normal", 6, EXPERIMENTS, resamples=999)
    assert 1 - found.coverage > 0.05 + SLACK
    assert verdict(6, 0.1, 0.01, 0.2, p=0.06) == "undecided"


def test_five_pairs_never_give_a_verdict() -> None:
    assert calibrate("normal", 5, 50, resamples=99).power == (0.0, 0.0, 0.0)
