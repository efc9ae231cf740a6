"""The difference of two models in one metric: estimate, interval, p and verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import not_
from statistics import fmean
from typing import Any

import numpy as np

from involbench.comparison.metrics import COLLAPSED
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import Design, Difference, Ratio, Summary, Verdict
from involbench.statistics import Estimate, paired, two_sample
from involbench.statistics.contrast import difference_of_differences
from involbench.statistics.estimates import SMALLEST_SAMPLE, sample_sd
from involbench.statistics.hypothesis_tests import holm
from involbench.statistics.permutation import (
    drawn_patterns,
    drawn_splits,
    smallest_paired_p,
    smallest_two_sample_p,
)
from involbench.statistics.power import detectable_errors
from involbench.statistics.shares import fisher_p

ALPHA = 0.05
"""The probability of a false verdict: of one comparison, or of any in a family."""
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Rule:
    """How models are compared, where it is not the default."""

    paired: bool = False
    """Whether every metric is compared by the differences of each seed."""
    margin: float | None = None
    """A difference in test accuracy that does not matter, a fraction."""
    primary: str | None = None
    """The model whose comparison with the baseline is tested first, in test accuracy."""


DEFAULT_RULE = Rule()


def difference_of(
    these: Summary,
    baseline: Summary,
    metric: str = "",
    by_pairs: bool = False,
    alpha: float = ALPHA,
) -> Difference:
    """One model minus another, tested as the only comparison.

    With alpha 0 only p is found, sooner, for a comparison that `in_family` tests.

    Two models are two independent samples. With `by_pairs`, as for one model at two times, the
    differences of each seed are one sample. Shares of collapsed runs get Fisher's exact test, and
    counts no test. Nor do times and sizes: they are of one machine, of which seeds are no sample.
    """
    pairs = paired_values(these, baseline)
    summary = Summary.of({seed: minus(value, other) for seed, (value, other) in pairs.items()})
    seeds = {*these.by_seed, *baseline.by_seed} if these.n or baseline.n else set[int]()
    fields = {**summary.model_dump(), "missing_seeds": tuple(sorted(seeds - set(pairs)))}
    known, first, second = metric_called(metric), these.values, baseline.values
    if by_pairs and metric != COLLAPSED and known.kind != "measured":
        fields |= {"design": "paired", "runs": (summary.n, summary.n)}
        fields["correlation"] = _correlation([*pairs.values()])
        first, second = summary.values, ()
    elif first and second:
        is_share = metric == COLLAPSED and {*first, *second} <= {0.0, 1.0}
        fields |= {
            "design": "shares" if is_share else "two arms",
            "runs": (len(first), len(second)),
            "mean": minus(fmean(first), fmean(second)),
        }
    else:
        first = ()
    if not first:
        return Difference(**fields)
    if known.exact:
        mean = fields["mean"]
        counted: Verdict = "equal" if mean == 0 else "higher" if mean > 0 else "lower"
        return Difference(**fields, verdict=counted)
    found = Difference(
        **fields,
        samples=(first, second),
        superiority=_superiority(first, second, lower=known.better == "lower"),
    )
    return _measured(found) if known.kind == "measured" else _tested(found, alpha)


def _measured(difference: Difference) -> Difference:
    """The difference with the ratio of both, its spread, and the verdict of all runs."""
    first, second = difference.samples
    verdict: Verdict = "undecided"
    if min(len(first), len(second)) < SMALLEST_SAMPLE:
        verdict = "too few runs"
    elif len({*first, *second}) == 1:
        verdict = "equal"
    elif min(first) > max(second):
        verdict = "higher"
    elif max(first) < min(second):
        verdict = "lower"
    return difference.model_copy(update={"verdict": verdict, "ratio": ratio_of(first, second)})


def ratio_of(these: Sequence[float], others: Sequence[float]) -> Ratio | None:
    """How many times the others these values are; None if one is not above zero."""
    if not (these and others and min(*these, *others) > 0):
        return None
    return Ratio(
        times=fmean(these) / fmean(others),
        low=min(these) / max(others),
        high=max(these) / min(others),
    )


def interaction_of(samples: Sequence[Sequence[float]], shift: float) -> Difference:
    """A difference of two differences minus a claimed one, tested as the only comparison.

    Args:
        samples: The values of both models at one point, then at another; at least one each.
        shift: The claimed difference.
    """
    first, *others = samples
    moved = ([value - shift for value in first], *others)
    runs = (len(samples[0]) + len(samples[2]), len(samples[1]) + len(samples[3]))
    found = Difference(
        **Summary.of({}).model_dump(),
        design="interaction",
        runs=runs,
        samples=tuple(map(tuple, moved)),
    )
    return _tested(found, ALPHA)


def excess(these: Summary, others: Summary, metric: str = "", by_pairs: bool = False) -> Difference:
    """How far one model is above values that a claim or a gate states for it."""
    found = difference_of(these, others, metric, by_pairs)
    if found.superiority is None:
        return found
    first, second = found.samples
    share = _superiority(first, second, lower=False)
    return found.model_copy(update={"superiority": share, "ratio": None})


def paired_values(these: Summary, others: Summary) -> dict[int, tuple[float, float]]:
    """Seed -> both values, for the seeds where both have one."""
    return {
        seed: (value, other)
        for seed, value in these.by_seed.items()
        if value is not None and (other := others.by_seed.get(seed)) is not None
    }


def minus(value: float, other: float) -> float:
    """The difference; 0 where it is only a rounding error, as between 0.3 - 0.2 and 0.2 - 0.1."""
    return 0.0 if math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12) else value - other


def with_primary(
    differences: Sequence[Difference], primary: Sequence[bool], name: str
) -> list[Difference]:
    """The differences of a family of which some are tested first, alone.

    The others are tested only if all of these have a verdict. So the probability of any false
    verdict is not above `ALPHA`, and the primary ones need no correction for the others.
    """
    first = iter(in_family(list(compress(differences, primary))))
    rest = iter(in_family(list(compress(differences, map(not_, primary)))))
    found = [next(first if is_first else rest) for is_first in primary]
    if all(each.verdict in ("higher", "lower") for each in compress(found, primary)):
        return found
    why = f"the primary comparison, that of {name}, has none"
    return [
        each if is_first else without_verdict(each, why)
        for each, is_first in zip(found, primary, strict=True)
    ]


def with_margin(difference: Difference, margin: float) -> Difference:
    """The difference with a verdict on whether it is too small to matter."""
    update: dict[str, Any] = {"margin": margin, "equivalent": False}
    if difference.interval is not None:
        _, low, high, _ = _estimate(difference, 2 * (1 - difference.level))
        if -margin < low and high < margin:
            update["equivalent"] = True
            if difference.verdict == "undecided":
                update["verdict"] = "equivalent"
    return difference.model_copy(update=update)


def in_family(differences: Sequence[Difference]) -> list[Difference]:
    """The differences with verdicts that hold for all of them together (Holm).

    Of m comparisons, the k-th smallest p is tested at alpha / (m - k + 1), as long as those before
    it are rejected. Each interval has the level of its test, and so agrees with the verdict.
    """
    places = [k for k, each in enumerate(differences) if each.p is not None]
    places.sort(key=lambda k: differences[k].p or 0.0)
    adjusted, found = iter(holm([differences[k].p or 0.0 for k in places])), list(differences)
    tests, all_rejected = len(places), True
    for rank, place in enumerate(places):
        if all_rejected:
            tests = len(places) - rank
            all_rejected = (differences[place].p or 0.0) * tests <= ALPHA * _ROUNDING
        update = {"p_holm": next(adjusted), "family": len(places)}
        found[place] = differences[place].model_copy(update=update)
        if found[place].level != 1 - ALPHA / tests:
            found[place] = _tested(found[place], ALPHA / tests)
    return found


def without_verdict(difference: Difference, why: str) -> Difference:
    """An estimate alone: `why` names the reason for which a test would mislead."""
    update = {
        **dict.fromkeys(("interval", "p", "p_holm", "detectable", "ratio")),
        "verdict": "undecided",
        "notes": (f"no verdict, because {why}",),
    }
    return difference.model_copy(update=update)


def _tested(difference: Difference, alpha: float) -> Difference:
    """The difference with its p, and with the interval and the verdict of a test at a level."""
    update = _inference(difference, alpha)
    if update["smallest_p"] > alpha * _ROUNDING:
        update |= {"interval": None, "verdict": "too few runs"}
    return difference.model_copy(update={**update, "level": 1 - alpha})


def _inference(difference: Difference, alpha: float) -> dict[str, Any]:
    smallest = _smallest_p(difference)
    if difference.design == "shares":
        (first, second), (n, m) = difference.samples, difference.runs
        p = fisher_p(round(sum(first)), n, round(sum(second)), m)
        verdict = _verdict(difference.mean or 0.0, p <= alpha * _ROUNDING)
        return {"p": p, "smallest_p": smallest, "verdict": verdict}
    estimate, low, high, p = _estimate(difference, alpha)
    return {
        "mean": estimate,
        "interval": (low, high),
        "p": p,
        "smallest_p": smallest,
        "detectable": _detectable(difference.samples, alpha, smallest),
        "verdict": _verdict(estimate, low > 0 or high < 0),
        "notes": _notes(difference, low, high),
    }


def _smallest_p(difference: Difference) -> float:
    """The smallest p that the runs can give; 0 where it can be as small as any number."""
    if difference.design == "interaction":
        spreads = list(map(sample_sd, difference.samples))
        return 0.0 if None not in spreads and any(spreads) else 1.0
    return smallest_p_of(difference.design, *difference.runs)


def smallest_p_of(design: Design, n: int, m: int) -> float:
    """The smallest p that so many runs of two models can give.

    0 for an interaction, whose p can be as small as any number.
    """
    if design == "interaction":
        return 0.0
    return smallest_paired_p(n) if design == "paired" else smallest_two_sample_p(n, m)


def _estimate(difference: Difference, alpha: float) -> Estimate:
    if difference.design == "interaction":
        return difference_of_differences(difference.samples, 1 - alpha)
    first, second = difference.samples
    if difference.design == "paired":
        return paired(first, 1 - alpha)
    return two_sample(first, second, 1 - alpha)


def _verdict(estimate: float, decided: bool) -> Verdict:
    return "undecided" if not decided else "higher" if estimate > 0 else "lower"


def _detectable(
    samples: Sequence[Sequence[float]], alpha: float, smallest_p: float
) -> float | None:
    """The difference that such samples find four times in five, from the spread that they have."""
    spreads = [spread for each in samples if (spread := sample_sd(each)) is not None]
    if not any(spreads) or smallest_p > alpha * _ROUNDING:
        return None
    sizes = [len(each) for each in samples if each]
    spreads *= len(sizes) // len(spreads)  # A single value has the spread of the other sample.
    variance = sum(spread**2 / size for spread, size in zip(spreads, sizes, strict=True))
    freedom = sum(sizes) - len(sizes)
    return detectable_errors(freedom, alpha, smallest_p or alpha) * math.sqrt(variance)


def _notes(difference: Difference, low: float, high: float) -> tuple[str, ...]:
    notes, (n, m) = [], difference.runs
    together = difference.design == "paired"
    if difference.design == "interaction":
        return ()
    if difference.all_equal:
        notes.append("both models are equal in every pair")
    elif math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12):
        equal = "all differences" if together else "all values of each model"
        notes.append(f"{equal} are equal, so the interval has no width")
    if drawn := drawn_patterns(n) if together else drawn_splits(n, m):
        what = "sign patterns" if together else "splits of the runs"
        notes.append(f"p is from {drawn:,} random {what} with a fixed seed")
    return tuple(notes)


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's correlation of at least three pairs; None where one side doesn't vary."""
    if len(pairs) < 3 or not np.ptp(pairs, axis=0).all():
        return None
    values, others = np.array(pairs).T
    return float(np.corrcoef(values, others)[0, 1])


def _superiority(first: Sequence[float], second: Sequence[float], lower: bool) -> float:
    """The share of pairs with the better value; of all pairs of runs where they are not paired."""
    others = np.sort(second or [0.0])
    below = np.searchsorted(others, first, "left") + np.searchsorted(others, first, "right")
    share = float(below.mean()) / (2 * len(others))
    return 1 - share if lower else share
