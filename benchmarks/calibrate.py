"""How often verdicts of `involbench compare` are wrong, by experiments with a known answer.

Simulates experiments with two models whose accuracies vary over seeds alike. Counts how often equal
models get the verdict that they differ, how often the 95% interval contains the true difference,
and how often a true difference is found. Accuracies are normal, or one in ten stays at chance, as
where networks collapse. Run: make calibrate, or python -m benchmarks.calibrate [EXPERIMENTS]
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from involbench.comparison.pairing import verdict
from involbench.statistics.estimates import RESAMPLES, bca_interval
from involbench.statistics.hypothesis_tests import sign_flip_p

PAIRS = (3, 6, 10, 20)
EFFECTS = (0.5, 1.0, 2.0)
"""True differences, in standard deviations of one model's accuracy over seeds."""
DISTRIBUTIONS = ("normal", "one in ten collapsed")
_SEED = 6
_CHUNK = 250

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Shares of the simulated experiments."""

    distribution: str
    pairs: int
    false_verdicts: float
    """The verdict is that they differ, but they are equal."""
    coverage: float
    """Of the 95% interval."""
    power: tuple[float, ...]
    """The verdict is a difference in the right direction, at each of EFFECTS."""


def calibrate(
    distribution: str, pairs: int, experiments: int, resamples: int = RESAMPLES
) -> Calibration:
    """Simulate experiments of two models that are the same, and the same with a difference."""
    rng = np.random.default_rng((_SEED, pairs, DISTRIBUTIONS.index(distribution)))
    differences = _accuracies(rng, distribution, (experiments, pairs)) - _accuracies(
        rng, distribution, (experiments, pairs)
    )
    low, high = _intervals(differences, resamples)
    same = _verdicts(differences, low, high)
    # An interval of a mean moves with the values, so that it need not be drawn again.
    found = [_verdicts(differences + e, low + e, high + e).count("higher") for e in EFFECTS]
    return Calibration(
        distribution=distribution,
        pairs=pairs,
        false_verdicts=sum(each in ("higher", "lower") for each in same) / experiments,
        coverage=float(np.mean((low <= 0) & (high >= 0))),
        power=tuple(count / experiments for count in found),
    )


def _accuracies(rng: np.random.Generator, distribution: str, shape: tuple[int, int]) -> Floats:
    """With standard deviation 1; those of collapsed runs are lower by 10 of them."""
    values = rng.normal(size=shape)
    if distribution == "normal":
        return values
    return np.where(rng.random(shape) < 0.1, -10.0, values)


def _intervals(differences: Floats, resamples: int) -> tuple[Floats, Floats]:
    parts = [
        bca_interval(differences[start : start + _CHUNK], resamples=resamples)
        for start in range(0, len(differences), _CHUNK)
    ]
    low, high = (np.concatenate(ends) for ends in zip(*parts, strict=True))
    return low, high


def _verdicts(differences: Floats, low: Floats, high: Floats) -> list[str]:
    pairs, p = differences.shape[1], sign_flip_p(differences)
    rows = zip(differences.mean(axis=1), low, high, p, strict=True)
    return [verdict(pairs, *map(float, row)) for row in rows]


def _lines(experiments: int) -> Iterator[str]:
    yield f"{experiments:,} simulated experiments each, {RESAMPLES:,} resamples"
    effects = "".join(f"  {effect:g} sd".rjust(9) for effect in EFFECTS)
    yield f"{'accuracies':22}{'pairs':>6}{'false verdicts':>16}{'coverage':>10}  power:{effects}"
    for distribution in DISTRIBUTIONS:
        for pairs in PAIRS:
            yield _line(calibrate(distribution, pairs, experiments))


def _line(found: Calibration) -> str:
    power = "".join(f"{share:9.1%}" for share in found.power)
    return (
        f"{found.distribution:22}{found.pairs:6}{found.false_verdicts:16.1%}"
        f"{found.coverage:10.1%}        {power}"
    )


def main(arguments: Sequence[str]) -> None:
    """Print a line for each distribution and number of pairs."""
    began = time.perf_counter()
    for line in _lines(int(arguments[0]) if arguments else 2000):
        print(line, flush=True)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
