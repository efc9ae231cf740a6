"""One model against another, paired by seed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from involbench.analysis.bootstrap import FEWEST_FOR_AN_INTERVAL, bca_interval
from involbench.analysis.comparison import Difference, Summary, Verdict
from involbench.analysis.holm import holm
from involbench.analysis.metrics import metric as metric_called
from involbench.analysis.sign_flip import EXACT_UP_TO, sign_flip_p, smallest_p
from involbench.analysis.summary import summarize
from involbench.analysis.verdict import verdict


def paired_difference(these: Summary, baseline: Summary, metric: str = "") -> Difference:
    """These minus the baseline, seed by seed, over the seeds that both have measured.

    Args:
        these: One model's values.
        baseline: Those that they are held against.
        metric: The metric's name, which says whether it is a count and which way is better.
    """
    pairs = {
        seed: minus(value, other)
        for seed, value in these.by_seed.items()
        if value is not None and (other := baseline.by_seed.get(seed)) is not None
    }
    seeds = {*these.by_seed, *baseline.by_seed} if these.n or baseline.n else set[int]()
    summary = summarize(pairs)
    values = [value for value in summary.by_seed.values() if value is not None]
    known, missing = metric_called(metric), tuple(sorted(seeds - set(pairs)))
    about = {**summary.model_dump(), "missing_seeds": missing}
    if known.exact or not values:
        return Difference(**about, verdict=_of_counts(summary.mean))
    better = [-value for value in values] if known.better == "lower" else values
    return Difference(**about, superiority=_superiority(better), **_inference(values))


def without_verdict(difference: Difference, why: str) -> Difference:
    """The same as an estimate, and a note that says why."""
    decided = difference.verdict in ("higher", "lower")
    return difference.model_copy(
        update={
            "verdict": "undecided" if decided else difference.verdict,
            "notes": (*difference.notes, f"no verdict, for {why}"),
        }
    )


def excess(over: Mapping[int, float], metric: str) -> Difference:
    """By how much each pair is over what was said, held against none: more is superior.

    Args:
        over: Seed -> the excess.
        metric: The metric's name, which says whether it is a count.
    """
    found = paired_difference(summarize(over), summarize(dict.fromkeys(over, 0.0)), metric)
    values = [value for value in found.by_seed.values() if value is not None]
    has = found.superiority is not None
    return found.model_copy(update={"superiority": _superiority(values)}) if has else found


def minus(value: float, other: float) -> float:
    """The difference, or 0 where it is of the size of rounding errors.

    A drop of 0.3 - 0.2 and one of 0.2 - 0.1 are the same drop, and not all seeds in favour of one.
    """
    return 0.0 if math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12) else value - other


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """The same, each with its p corrected for how many there are."""
    tested = [difference.p for difference in differences if difference.p is not None]
    adjusted = iter(holm(tested))
    return [
        difference
        if difference.p is None
        else difference.model_copy(update={"p_holm": next(adjusted)})
        for difference in differences
    ]


def _inference(values: Sequence[float]) -> dict[str, Any]:
    """Interval, p and verdict, and what is unusual about them."""
    sample = np.asarray([values])
    pairs, mean, p = len(values), float(sample.mean()), float(sign_flip_p(sample)[0])
    found: dict[str, Any] = {"p": p, "smallest_p": smallest_p(pairs)}
    if pairs < FEWEST_FOR_AN_INTERVAL:
        return {**found, "verdict": "too few pairs", "notes": ()}
    low, high = (float(end[0]) for end in bca_interval(sample))
    decided = verdict(pairs, mean, low, high, p)
    return {
        **found,
        "interval": (low, high),
        "verdict": decided,
        "notes": _notes(values, low, high),
    }


def _notes(values: Sequence[float], low: float, high: float) -> tuple[str, ...]:
    said = []
    if not any(values):
        said.append("every pair is equal: there is nothing to tell apart")
    elif low == high:
        said.append("all differences are equal: the interval has no width")
    if len(values) > EXACT_UP_TO:
        said.append(f"p from {2**EXACT_UP_TO:,} sign patterns drawn with a fixed seed")
    return tuple(said)


def _superiority(better: Sequence[float]) -> float:
    return sum(1.0 if value > 0 else 0.5 if value == 0 else 0.0 for value in better) / len(better)


def _of_counts(difference: float | None) -> Verdict:
    if difference is None:
        return "too few pairs"
    return "equal" if difference == 0 else "higher" if difference > 0 else "lower"
