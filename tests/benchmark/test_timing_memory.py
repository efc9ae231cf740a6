"""What the benchmarks measure with: equal results or none, memory that was really held."""

import sys

import numpy as np
import pytest

from involbench.benchmark import measurement, operator, step
from involbench.benchmark import operator as forms
from involbench.benchmark.backends import BenchmarkCase
from involbench.benchmark.measurement import warm_up
from involbench.errors import InvolbenchError
from involbench.results.benchmarks import OperatorShape

SHAPE = OperatorShape(batch=2, height=6, width=6, channels=4, kernel_size=3, groups=2)


def test_times_of_different_results_are_refused(monkeypatch):
    right = forms.involution
    monkeypatch.setattr(forms, "involution", lambda *a, **k: 1.001 * right(*a, **k))
    with pytest.raises(
        InvolbenchError,
        match=r"the result of involution differs from that of patches by 1.0e-03",
    ):
        operator.time_operator(SHAPE, 2, lambda done, total: None)


@pytest.mark.usefixtures("eager")
def test_steps_of_different_networks_are_refused(monkeypatch):
    monkeypatch.setattr(step, "BATCH_SIZE", 8)
    right = step.PatchesInvolution2D.call

    def wrong(self, inputs, training=None):
        return 1.1 * right(self, inputs, training)

    monkeypatch.setattr(step.PatchesInvolution2D, "call", wrong)
    with pytest.raises(InvolbenchError, match="with the same weights, the loss is"):
        step.time_steps(2, lambda done, total: None)


@pytest.mark.skipif(sys.platform != "linux", reason="what is freed may stay resident elsewhere")
@pytest.mark.parametrize("can_clear", [True, False])
def test_the_peak_counts_what_a_call_frees_again(can_clear, monkeypatch):
    monkeypatch.setattr(measurement, "_can_clear", lambda: can_clear)
    peak, method = measurement.peak_method()
    assert ("VmHWM" in method) == can_clear
    megabytes = 100
    call = BenchmarkCase(lambda: [np.ones((megabytes, 2**17)).sum()], ())
    assert 0.9 * megabytes * 2**20 <= peak(call) <= 1.5 * megabytes * 2**20


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        ([0.01] * 100, 6),
        ([20, 1, 0.5, *[0.01] * 100], 7),  # The first call compiles.
        ([0.9**n for n in range(20, 300)], 100),
        ([20, 9, 9], 2),
        ([1.0] * 100, 4),
    ],
)
def test_calls_that_get_no_faster_or_take_too_long_end_the_warming_up(seconds, calls):
    given = iter(seconds)
    assert warm_up(lambda: next(given)) == calls
