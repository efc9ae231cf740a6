"""The verdicts, on experiments of which the answer is known: `make calibrate` in short."""

import pytest

from benchmarks.calibrate import calibrate, calibrate_images

EXPERIMENTS = 400
SLACK = 0.033
"""Three standard errors of a share of 5% in so many experiments."""


@pytest.mark.parametrize("distribution", ["normal", "heavy tails", "both collapse"])
def test_equal_models_are_seldom_called_different(distribution: str) -> None:
    found = calibrate(distribution, 6, EXPERIMENTS)
    assert max(found.false_verdicts.values()) <= 0.05 + SLACK
    assert found.coverage >= 0.95 - SLACK
    assert found.power > found.power_of_five > found.old_power_of_five


def test_a_model_that_alone_collapses_is_compared_by_what_learned() -> None:
    """The rule that was replaced loses the difference among runs that learned."""
    found = calibrate("one collapses", 8, EXPERIMENTS)
    assert max(found.false_verdicts.values()) <= 0.05 + SLACK
    assert found.power > 0.8 > found.old_power


def test_the_interval_over_runs_and_images_holds_what_other_images_give() -> None:
    over_runs, over_both = calibrate_images(100, 6, EXPERIMENTS)
    assert over_runs < 0.8
    assert over_both >= 0.95 - SLACK
