"""How often verdicts of `involbench compare` are wrong, by experiments with a known answer.

Simulates experiments in which five models are compared with one baseline. Counts how often the 95%
interval contains the true difference, how often any of 1, 2 or 5 equal models gets the verdict that
it differs (Holm), and how often a true difference is found. Collapsed runs are compared as a share,
the others by their accuracy. Beside the rule stands the one that it replaced: pairs of seeds, all
runs, BCa interval and sign-flip test. Last, for claims about trends, how often the interval of a
difference of two differences contains the true one. And of two models that are equal on all images
there could be, where each experiment draws its own: how often the interval over runs, and the one
over runs and images, contains zero.
Run: make calibrate, or python -m benchmarks.calibrate [EXPERIMENTS] [ACCURACIES...]
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from involbench.statistics import paired, two_sample
from involbench.statistics.contrast import difference_of_differences
from involbench.statistics.crossed_effects import images_error, widened
from involbench.statistics.estimates import bca_interval
from involbench.statistics.hypothesis_tests import holm
from involbench.statistics.shares import fisher_p

RUNS = (6, 8, 10, 20)
FAMILIES = (1, 2, 5)
"""Numbers of models that are compared with the baseline."""
DISTRIBUTIONS = ("normal", "spread 1 to 3", "heavy tails", "both collapse", "one collapses")
"""Of accuracies, in standard deviations. Heavy tails: Student's t with three degrees of freedom.
Spread 1 to 3: that of the baseline is three times as large."""
COLLAPSED = 1 / 8
"""The probability that a run never leaves chance."""
EFFECT = 2.0
"""A true difference, in standard deviations of the accuracies that are compared."""
IMAGES = (100, 1000)
"""Test images of an experiment."""
_ALPHA = 0.05
_AT_CHANCE = -10.0
_SEED = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Shares of the simulated experiments."""

    coverage: float
    """The 95% interval contains the true difference."""
    false_verdicts: dict[int, float]
    """Number of comparisons -> the verdict of any is that equal models differ."""
    power: float
    """A difference of `EFFECT` is found by one comparison alone."""
    power_of_five: float
    """It is found beside four other comparisons."""
    old_coverage: float
    old_power: float
    old_power_of_five: float


def calibrate(distribution: str, runs: int, experiments: int) -> Calibration:
    """Simulate experiments of models that are equal, and of models of which one differs."""
    rng = np.random.default_rng((_SEED, runs, DISTRIBUTIONS.index(distribution)))
    shape = experiments, 1 + max(FAMILIES), runs  # The baseline is the first model.
    values = rng.normal(size=shape)
    if distribution == "heavy tails":
        values = rng.standard_t(3, shape) / sqrt(3)
    learned = np.ones(shape, bool)
    if distribution.endswith(("collapse", "collapses")):
        learned = rng.random(shape) >= COLLAPSED
    if distribution == "one collapses":
        learned[:, 0] = True
    effect = EFFECT
    if distribution == "spread 1 to 3":
        values[:, 0] *= 3
        effect *= sqrt(5)  # The mean variance is (1 + 9) / 2.
    same_shares = distribution != "one collapses"
    after = [_decide(*each, effect, same_shares) for each in zip(values, learned, strict=True)]
    before = _decide_by_pairs(np.where(learned, values, _AT_CHANCE), effect, same_shares)
    coverage, alone, beside, *false = (sum(each) / experiments for each in zip(*after, strict=True))
    return Calibration(coverage, dict(zip(FAMILIES, false, strict=True)), alone, beside, *before)


def calibrate_images(images: int, runs: int, experiments: int) -> tuple[float, float]:
    """How often the interval over runs, and that over runs and images, contains the truth.

    The probability that a run is right is 0.5, plus up to 0.48 for what its model makes of the
    image (most often close to that, as the runs of one model mostly agree), plus up to 0.02 for
    its seed.
    """
    rng, covered = np.random.default_rng((_SEED, images, runs)), np.zeros(2)
    for _ in range(experiments):
        image = 0.48 * np.cos(np.pi * rng.random((2, 1, images)))
        seed = rng.uniform(-0.02, 0.02, (2, runs, 1))
        first, second = (rng.random((2, runs, images)) < 0.5 + image + seed).astype(float)
        found = two_sample(first.mean(axis=1), second.mean(axis=1))
        interval = found.low, found.high
        both = widened(found.estimate, interval, images_error(first, second), 0.95)
        covered += [low <= 0 <= high for low, high in (interval, both)]
    return float(covered[0] / experiments), float(covered[1] / experiments)


def _decide(
    values: Floats, learned: NDArray[np.bool_], effect: float, same_shares: bool
) -> tuple[float, ...]:
    """The share of intervals that contain zero; whether the effect is found alone, and beside
    others; and for each of `FAMILIES`, the share of families with a false verdict.
    """
    baseline, *models = [row[known] for row, known in zip(values, learned, strict=True)]
    found, runs = [_p(model, baseline) for model in models], len(values[0])
    shares = [fisher_p(len(model), runs, len(baseline), runs) for model in models]
    false = []
    for size in FAMILIES:
        starts = range(0, len(models) - size + 1, size)
        families = [_holm(found, shares, slice(k, k + size)) for k in starts]
        counted = [each if same_shares else each[:size] for each in families]
        false.append(sum(min(each) <= _ALPHA for each in counted) / len(counted))
    shifted = _p(models[0] + effect, baseline)
    covered = sum(p > _ALPHA for p in found) / len(found)
    beside = _holm([shifted, *found[1:]], shares, slice(None))[0] <= _ALPHA
    return covered, shifted <= _ALPHA, beside, *false


def _p(model: Floats, baseline: Floats) -> float:
    """The interval of level 0.95 contains zero exactly where this is above 0.05; tests show it.

    The interval of level 1 is infinite, and needs no time.
    """
    return two_sample(model, baseline, level=1.0).p


def _holm(found: Sequence[float], shares: Sequence[float], part: slice) -> list[float]:
    """The corrected p of the accuracies of some models, then of the shares that may differ."""
    return holm([*found[part], *(p for p in shares[part] if p < 1)])


def _decide_by_pairs(values: Floats, effect: float, same_shares: bool) -> tuple[float, ...]:
    """The same shares of experiments by the rule that was replaced."""
    differences = values[:, 1:] - values[:, :1]
    first = differences[:, 0]
    low, high = bca_interval(first, resamples=999)
    true = 0.0 if same_shares else COLLAPSED * _AT_CHANCE
    coverage = float(np.mean((low <= true) & (true <= high)))
    alone = beside = 0
    for row, others, end in zip(first, differences[:, 1:], low, strict=True):
        p, *other = (paired(each).p for each in (row + effect, *others))
        found = end + effect > 0
        alone += found and p <= _ALPHA
        beside += found and holm([p, *other])[0] <= _ALPHA
    return coverage, alone / len(first), beside / len(first)


def calibrate_interaction(distribution: str, runs: int, experiments: int) -> tuple[float, float]:
    """The coverage of the interval of a difference of differences, and the power to find one.

    The power is for `EFFECT` standard deviations, of four samples of so many runs each.
    """
    rng = np.random.default_rng((_SEED, runs))
    values, effect = rng.normal(size=(experiments, 4, runs)), EFFECT
    if distribution == "heavy tails":
        values = rng.standard_t(3, values.shape) / sqrt(3)
    if distribution == "spread 1 to 3":
        values[:, 0] *= 3
        effect *= sqrt(3)  # The mean variance is (9 + 1 + 1 + 1) / 4.
    found = [difference_of_differences(samples.tolist()) for samples in values]
    covered = sum(low <= 0 <= high for _, low, high, _ in found)
    return covered / experiments, sum(low + effect > 0 for _, low, _, _ in found) / experiments


def _interaction_lines(experiments: int, distributions: Sequence[str]) -> Iterator[str]:
    yield "difference of two differences, four samples of so many runs each"
    yield f"{'accuracies':19}{'runs':>5}{'coverage':>10}{'power':>9}"
    for distribution in distributions:
        for runs in (3, *RUNS) if "collapse" not in distribution else ():
            coverage, power = calibrate_interaction(distribution, runs, experiments)
            yield f"{distribution:19}{runs:5}{coverage:10.1%}{power:9.1%}"


def _lines(experiments: int, distributions: Sequence[str]) -> Iterator[str]:
    yield f"{experiments:,} simulated experiments each; power is for {EFFECT:g} standard deviations"
    yield (f"{'':19}{'':>5}{'false verdicts of':^28}{'power of':^17}   {'pairs (replaced)'}")
    yield (
        f"{'accuracies':19}{'runs':>5}{'coverage':>10}"
        + "".join(f"{size:>7}" for size in FAMILIES)
        + f"{'1':>8}{'of 5':>8}   {'coverage':>10}{'1':>8}{'of 5':>8}"
    )
    for distribution in distributions:
        for runs in RUNS:
            yield _line(distribution, runs, calibrate(distribution, runs, experiments))
    yield f"{'test images':19}{'runs':>5}{'over runs':>12}{'over both':>12}"
    for images in IMAGES:
        for runs in RUNS:
            alone, both = calibrate_images(images, runs, experiments)
            yield f"{images:<19,}{runs:5}{alone:12.1%}{both:12.1%}"


def _line(distribution: str, runs: int, found: Calibration) -> str:
    false = "".join(f"{share:7.1%}" for share in found.false_verdicts.values())
    return (
        f"{distribution:19}{runs:5}{found.coverage:10.1%}{false}"
        f"{found.power:8.1%}{found.power_of_five:8.1%}   "
        f"{found.old_coverage:10.1%}{found.old_power:8.1%}{found.old_power_of_five:8.1%}"
    )


def main(arguments: Sequence[str]) -> None:
    """Print a line for each distribution and number of runs."""
    began = time.perf_counter()
    experiments = int(arguments[0]) if arguments else 2000
    for lines in (_lines, _interaction_lines):
        for line in lines(experiments, arguments[1:] or DISTRIBUTIONS):
            print(line, flush=True)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
