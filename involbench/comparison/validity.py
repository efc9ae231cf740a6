"""Warnings about comparisons that are less fair than they look."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

from involbench.comparison.metrics import depends_on_learning
from involbench.comparison.schema import ModelResult
from involbench.comparison.selection import Arm
from involbench.comparison.settings import describe_differences, environment, without_keys
from involbench.errors import ResultsError
from involbench.results.benchmarks import read_benchmarks
from involbench.results.record import BACKENDS, LAGS, MOST_SHARED, DataFacts
from involbench.results.tuning import Tuning
from involbench.spec.claims import ON_TEST, is_of_validation, takes_target
from involbench.text import located, seeds

Protocol = dict[str, Any]
"""Key path -> setting, of data and training."""


def never_reached(results: Sequence[ModelResult], metric: str) -> str:
    """Which runs never reached the target of a metric; empty if all did, or it has no target.

    Their time is unknown but long, so a comparison of the others would flatter the model.
    """
    if not takes_target(metric):
        return ""
    runs = []
    for result in results:
        summary = result.metrics.get(metric)
        if missing := result.n_finished - (summary.n if summary else 0):
            where = located(result.model, result.point)
            runs.append(f"{seeds(missing, result.n_finished)} of {where}")
    return f"{' and '.join(dict.fromkeys(runs))} never reached the accuracy" if runs else ""


def no_verdict(results: Sequence[ModelResult], metric: str) -> str:
    """Why a difference in a metric gets no verdict; empty where it can."""
    if is_of_validation(metric) and "test" in map(_validation, results):
        return ON_TEST
    return never_reached(results, metric) or _lagging(results, metric)


def _lagging(results: Sequence[ModelResult], metric: str) -> str:
    """Which runs are tested at chance although they learned; empty if a metric does not suffer.

    The comparison would be one of how far moving averages lag behind, not of the models.
    """
    if not depends_on_learning(metric):
        return ""
    runs = [
        f"{seeds(len(result.lagging_seeds), result.n_finished)} of "
        f"{located(result.model, result.point)}"
        for result in results
        if result.lagging_seeds
    ]
    moving = "the moving averages of batch normalization lag behind"
    return f"{moving} in {' and '.join(dict.fromkeys(runs))}" if runs else ""


def validated_on(results: Sequence[ModelResult]) -> Literal["validation", "test"]:
    """Which images the models are evaluated on after each epoch; test if all of them are."""
    return "test" if set(map(_validation, results)) == {"test"} else "validation"


def _validation(result: ModelResult) -> Any:
    return result.protocol.get("data.validation")


def validity_warnings(
    arms: Sequence[Arm], protocols: Sequence[Protocol], baseline: str | None, benchmarks: bool
) -> list[str]:
    """All warnings about the arms of one comparison, each arm with its protocol."""
    return [
        *_protocol_warnings(arms, protocols, baseline),
        *_mixture_warnings(arms),
        *_environment_warnings(arms),
        *_shared_image_warnings(arms),
        *_learning_warnings(arms),
        *(_timing_warnings(arms) if benchmarks else []),
    ]


def _protocol_warnings(
    arms: Sequence[Arm], protocols: Sequence[Protocol], baseline: str | None
) -> list[str]:
    """One warning for each model with other data or training than the baseline.

    At a sweep point without the baseline, the first model takes its place.
    """
    places: dict[str, list[tuple[Arm, Protocol]]] = {}
    for arm, protocol in zip(arms, protocols, strict=True):
        places.setdefault(_place(arm), []).append((arm, protocol))
    warnings = []
    for models in places.values():
        baselines = [each for each in models if each[0].model == baseline]
        reference, expected = (baselines or models)[0]
        for arm, protocol in models:
            tuned = arm.tuned.keys() & reference.tuned.keys()
            sides = [without_keys(side, tuned) for side in (protocol, expected)]
            if difference := describe_differences(sides[:1], sides[1]):
                names = f"{arm.model} has other settings than {reference.model}"
                warnings.append(f"{names}: {difference}")
    return list(dict.fromkeys(warnings))


def edge_warnings(arms: Sequence[Arm], tuning: Tuning) -> Iterator[str]:
    """A warning for each choice of `tune` at the edge of its grid."""
    for arm in arms:
        choice = tuning.choice(arm.model, arm.point)
        if choice and choice.values == arm.tuned and choice.warning:
            yield choice.warning


def _mixture_warnings(arms: Sequence[Arm]) -> Iterator[str]:
    """A warning where one folder has runs of several experiments."""
    counts = Counter(run.record.trial.experiment for arm in arms for run in arm.runs)
    if len(counts) > 1:
        found = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
        only = "only runs of the same experiment are compared"
        yield f"the folder has runs of several experiments: {found}; {only}"


def _shared_image_warnings(arms: Sequence[Arm]) -> Iterator[str]:
    """A warning for each dataset that has many test images among its training images."""
    found: dict[str, DataFacts] = {}
    for known in (run.record.data for arm in arms for run in arm.finished):
        if known:
            found.setdefault(known.fingerprint, known)
    for facts in found.values():
        if (facts.test_in_train or 0) > MOST_SHARED * facts.test_size:
            yield (
                f"{facts.test_in_train} of {facts.test_size} test images are training images too "
                f"(dataset {facts.fingerprint[:12]}); the test accuracy is too high"
            )


def _learning_warnings(arms: Sequence[Arm]) -> Iterator[str]:
    """Which networks could not learn, as was seen before training, or lag in validation."""
    for arm in arms:
        by_fault: dict[str, list[int]] = {}
        for record in (run.record for run in arm.finished):
            probed = record.probe
            if probed and probed.layers:
                names = _join([each.name for each in probed.layers])
                what = "zero" if all(each.zero for each in probed.layers) else "the same"
                share = "all" if probed.is_dead else "nearly all"
                end = f", so {probed.outlook}" if probed.blind else ""
                fault = f"{names} was {what} for {share} images before training{end}"
                by_fault.setdefault(fault, []).append(record.trial.seed)
            if record.validation_lags:
                by_fault.setdefault(LAGS, []).append(record.trial.seed)
        for fault, found in by_fault.items():
            plural = "s" if len(found) > 1 else ""
            yield f"{located(arm.model, arm.point)}, seed{plural} {_join(found)}: {fault}"


def environments(arms: Sequence[Arm]) -> dict[str, tuple[str, ...]]:
    """The versions and hardware of the finished runs; several values where they differ."""
    found: dict[str, dict[str, None]] = {}
    seen = set[object]()  # Records that were read together have the same objects.
    for record in (run.record for arm in arms for run in arm.finished):
        variables = record.environment
        values = None if variables is None else tuple(variables.items())
        same = id(record.versions), id(record.hardware), values
        if same not in seen:
            seen.add(same)
            for key, value in environment(record).items():
                found.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in found.items()}


def machines(arm: Arm) -> tuple[str, ...]:
    """The hardware of its finished runs."""
    found = environments([arm])
    devices = ("" if each == "CPU" else f", {each}" for each in found.get("device", ()))
    return tuple(f"{cpu}{device}" for device in devices for cpu in found["cpu"])


def _environment_warnings(arms: Sequence[Arm]) -> list[str]:
    """One warning for each version, backend or device that not all finished runs share."""
    found, differences = environments(arms), []
    for key, values in found.items():
        if len(values) > 1:
            users = "; ".join(f"{value} ({_users(arms, key, value)})" for value in values)
            differences.append(f"{key} {users}")
    backends = [name for name in BACKENDS if name in found]
    if len(backends) > 1:
        versions = ((name, value) for name in backends for value in found[name])
        differences.append(
            "; ".join(f"{name} {v} ({_users(arms, name, v)})" for name, v in versions)
        )
    return [f"runs from different environments: {difference}" for difference in differences]


def _users(arms: Sequence[Arm], key: str, value: str) -> str:
    """The models that used it, with their seeds where not all seeds did."""
    names = []
    for arm in arms:
        used = [
            run.record.trial.seed
            for run in arm.finished
            if environment(run.record).get(key) == value
        ]
        if used:
            some = "" if len(used) == len(arm.finished) else f" seed {_join(used)}"
            names.append(f"{arm.model}{some}")
    return ", ".join(dict.fromkeys(names))


def _timing_warnings(arms: Sequence[Arm]) -> list[str]:
    """One warning where models of one seed were benchmarked in different processes."""
    places: dict[tuple[str, str, int], dict[str, set[str]]] = {}
    for arm in arms:
        for run in arm.finished:
            with suppress(ResultsError):  # `measure` warns of it.
                for kind, costs in read_benchmarks(run.path).items():
                    sessions = places.setdefault((kind, _place(arm), run.record.trial.seed), {})
                    sessions.setdefault(costs.together, set()).add(arm.model)
    separate = {kind: models for (kind, _, _), models in places.items() if len(models) > 1}
    return [
        f"{_join(sorted(set().union(*models.values())))} were measured at different times: run "
        f"`involbench bench {kind} EXPERIMENT` to measure them together"
        for kind, models in separate.items()
    ]


def _place(arm: Arm) -> str:
    return json.dumps(arm.shared_point, sort_keys=True)


def _join(words: Sequence[object]) -> str:
    *others, last = map(str, words)
    return f"{', '.join(others)} and {last}" if others else last
