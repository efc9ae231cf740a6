"""What makes a comparison less fair than it looks."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import sqrt
from typing import Any

from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import ModelResult
from involbench.comparison.selection import Arm
from involbench.comparison.settings import describe_differences, environment
from involbench.errors import ResultsError
from involbench.results.benchmarks import costs_by_kind
from involbench.results.record import BACKENDS, MOST_SHARED, DataFacts
from involbench.spec.claims import takes_target
from involbench.text import located, seeds


def never_left_chance(accuracies: Sequence[float | None], chance: float, size: int) -> bool:
    """Whether no epoch's accuracy is more than chance would give.

    A network that ignores its input is right with probability `chance` on each image, so its
    accuracy on `size` images has standard deviation sqrt(chance * (1 - chance) / size). An
    accuracy counts as having left chance when it is more than three of them above it.

    Args:
        accuracies: Validation accuracy after each epoch, as a fraction; None where it was not
            measured or not finite.
        chance: Share of the most frequent class, as a fraction.
        size: Number of images that each accuracy was measured on; positive.

    Returns:
        True where none of them left chance; False where nothing was measured, since nothing
        can be said then.
    """
    measured = [accuracy for accuracy in accuracies if accuracy is not None]
    threshold = chance + 3 * sqrt(chance * (1 - chance) / size)
    return bool(measured) and max(measured) <= threshold


def flattered_by_collapse(results: Sequence[ModelResult], metric: str) -> str:
    """How many of the results' runs a metric flatters, and why; empty where it flatters none."""
    if metric_called(metric).best_of_nothing:
        counts, why = [each.n_collapsed for each in results], "collapsed, which it flatters"
    elif takes_target(metric):
        counts = [_unmeasured(each, metric) for each in results]
        why = "never reached the accuracy"
    else:
        return ""
    those = [
        f"{seeds(count, each.n_finished)} of {located(each.model, each.point)}"
        for count, each in zip(counts, results, strict=True)
        if count
    ]
    which = " and ".join(dict.fromkeys(those))
    return f"{which} {why}" if which else ""


def _unmeasured(result: ModelResult, metric: str) -> int:
    summary = result.metrics.get(metric)
    return result.n_finished - (summary.n if summary else 0)


Protocol = dict[str, Any]
"""Key path -> setting, of data and training."""


def protocol_warnings(
    arms: Sequence[Arm], protocols: Sequence[Protocol], baseline: str | None
) -> list[str]:
    """One warning for each model whose data or training is unlike that of its neighbours.

    The arms of one sweep point are held against the baseline there, or else the first of them.
    """
    places: dict[str, list[tuple[str, Protocol]]] = {}
    for arm, protocol in zip(arms, protocols, strict=True):
        place = json.dumps(arm.shared_point, sort_keys=True)
        places.setdefault(place, []).append((arm.model, protocol))
    warnings = []
    for side_by_side in places.values():
        there = [each for each in side_by_side if each[0] == baseline]
        reference, wanted = (there or side_by_side)[0]
        for model, protocol in side_by_side:
            if what := describe_differences([protocol], wanted):
                warnings.append(f"{model} is not made like {reference}: {what}")
    return list(dict.fromkeys(warnings))


def mixture_warnings(arms: Sequence[Arm]) -> list[str]:
    """A warning where runs of several experiments lie in one folder."""
    counts = Counter(run.record.trial.experiment for arm in arms for run in arm.runs)
    if len(counts) < 2:
        return []
    found = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
    return [
        f"runs of several experiments lie in one folder: {found}; those of one are not held "
        "against those of another"
    ]


def shared_image_warnings(arms: Sequence[Arm]) -> list[str]:
    """A warning for each dataset of which many test images are training images too."""
    found: dict[str, DataFacts] = {}
    for arm in arms:
        for run in arm.finished:
            if facts := run.record.data:
                found.setdefault(facts.fingerprint, facts)
    return [
        f"{facts.test_in_train} of {facts.test_size} test images are in the training images too, "
        f"pixel by pixel (dataset {facts.fingerprint[:12]}): accuracies on them are no test"
        for facts in found.values()
        if (facts.test_in_train or 0) > MOST_SHARED * facts.test_size
    ]


def environments(arms: Sequence[Arm]) -> dict[str, tuple[str, ...]]:
    """What the finished runs were made with: each version and device, several if they differ."""
    found: dict[str, dict[str, None]] = {}
    for arm in arms:
        for run in arm.finished:
            for key, value in environment(run).items():
                found.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in found.items()}


def environment_warnings(arms: Sequence[Arm], found: Mapping[str, tuple[str, ...]]) -> list[str]:
    """One warning for each version, backend or device that not all finished runs have."""
    unlike = []
    for key, values in found.items():
        if len(values) > 1:
            who = "; ".join(f"{value} ({_users(arms, key, value)})" for value in values)
            unlike.append(f"{key} {who}")
    backends = [name for name in BACKENDS if name in found]
    if len(backends) > 1:
        users = ((name, value) for name in backends for value in found[name])
        unlike.append("; ".join(f"{name} {v} ({_users(arms, name, v)})" for name, v in users))
    return [f"runs made in different environments: {what}" for what in unlike]


def timing_warnings(arms: Sequence[Arm]) -> list[str]:
    """One warning where what benchmarks measured of a seed was not measured side by side."""
    places: dict[tuple[str, str, int], dict[str, set[str]]] = {}
    for arm in arms:
        for run in arm.finished:
            place = json.dumps(arm.shared_point, sort_keys=True)
            with suppress(ResultsError):  # `measure` has warned of it.
                for kind, costs in costs_by_kind(run.path).items():
                    there = places.setdefault((kind, place, run.record.trial.seed), {})
                    there.setdefault(costs.together, set()).add(arm.model)
    apart = {kind: there for (kind, _, _), there in places.items() if len(there) > 1}
    return [
        f"{_join(sorted(set().union(*there.values())))} were not measured side by side: "
        f"`involbench bench {kind} EXPERIMENT` does it again"
        for kind, there in apart.items()
    ]


def _users(arms: Sequence[Arm], key: str, value: str) -> str:
    """The models that used it, with their seeds where not all of a model's did."""
    names = []
    for arm in arms:
        seeds = [
            run.record.trial.seed for run in arm.finished if environment(run).get(key) == value
        ]
        if not seeds:
            continue
        some = "" if len(seeds) == len(arm.finished) else f" seed {_join(seeds)}"
        names.append(f"{arm.model}{some}")
    return ", ".join(dict.fromkeys(names))


def _join(seeds: Sequence[object]) -> str:
    return " and ".join(map(str, seeds))
