"""The sweep: its points, and whether every one of them is a valid experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from math import prod
from typing import Any

from pydantic import ValidationError

from involbench.spec.messages import problems_of
from involbench.spec.overrides import EVERY, assigned, every_path
from involbench.spec.schema import ExperimentSpec
from involbench.spec.trial import NON_RESULT_FIELDS
from involbench.spec.yaml import Problem
from involbench.text import describe, dotted, quoted, shared, suggest

MAX_TRIALS = 10_000

Point = dict[str, Any]
Sweep = Mapping[str, Sequence[Any]]


def sweep_points(sweep: Sweep) -> list[Point]:
    """Every combination of the swept values; the last key changes fastest."""
    return [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]


def at_point(values: dict[str, Any], point: Point) -> dict[str, Any]:
    """A raw spec with the values of a point set in it."""
    for key, value in point.items():
        for path in every_path(values, tuple(key.split("."))):
            values = assigned(values, path, value)
    return values


def sweep_problems(values: dict[str, Any], known: Sequence[Problem]) -> list[Problem]:
    """What is wrong with the sweep of a raw spec, but not with the spec when nothing is swept."""
    given = values.get("sweep")
    if not isinstance(given, dict):
        return []
    sweep = {key: list(v) for key, v in given.items() if isinstance(v, list) and v}
    by_key = {key: _key_problems(key, sweep[key], values) for key in sweep}
    found = [problem for problems in by_key.values() for problem in problems] + _overlaps(sweep)
    sound = {key: choices for key, choices in sweep.items() if not by_key[key]}
    count = prod(map(len, sound.values()))
    if count > MAX_TRIALS:
        return [*found, Problem(("sweep",), f"{count} points; at most {MAX_TRIALS} are possible")]
    return found + _point_problems(values, sound, known)


def _key_problems(key: str, choices: list[Any], values: dict[str, Any]) -> list[Problem]:
    path, parts = ("sweep", key), key.split(".")
    models = values.get("models")
    names = list(models) if isinstance(models, dict) else []
    fewest = {"data": 2, "training": 2, "models": 3}.get(parts[0], 0)
    if not fewest or len(parts) < fewest or not all(parts):
        text = "expected a key path: data.KEY, training.KEY, models.NAME.KEY or models.*.KEY"
        return [Problem(path, text, at_key=True)]
    if parts[0] == "models" and parts[1] not in (EVERY, *names):
        text = f"{parts[1]!r} is not one of the models; {suggest(parts[1], names)}"
        return [Problem(path, text, at_key=True)]
    if parts[0] == "training" and parts[1] in NON_RESULT_FIELDS:
        text = "changes nothing that a trial results in, so its values cannot be compared"
        return [Problem(path, text, at_key=True)]
    try:
        at_point(values, {key: choices[0]})
    except ValueError as error:
        return [Problem(path, str(error), at_key=True)]
    return [
        Problem((*path, index), f"{describe(choice)} is listed twice")
        for index, choice in enumerate(choices)
        if any(_same(choice, before) for before in choices[:index])
    ]


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _overlaps(sweep: dict[str, list[Any]]) -> list[Problem]:
    return [
        Problem(("sweep", long), f"lies inside {short!r}, which is swept too", at_key=True)
        for short, long in (sorted(pair, key=len) for pair in combinations(sweep, 2))
        if _inside(tuple(long.split(".")), tuple(short.split(".")))
    ]


def _inside(long: tuple[str, ...], short: tuple[str, ...]) -> bool:
    """Whether a key path is another one, or below it; `*` stands for every model."""
    if EVERY in (*long[1:2], *short[1:2]) and long[0] == short[0]:
        long, short = (long[0], *long[2:]), (short[0], *short[2:])
    return long[: len(short)] == short


def _point_problems(
    values: dict[str, Any], sweep: dict[str, list[Any]], known: Sequence[Problem]
) -> list[Problem]:
    """The problems that come with swept values, each at the value that brings it."""
    found: dict[Problem, None] = {}
    for point in sweep_points(sweep):
        try:
            ExperimentSpec.model_validate(at_point(values, point))
        except ValidationError as error:
            new = [problem for problem in problems_of(error) if problem not in known]
            found.update((_blamed(problem, point, sweep), None) for problem in new)
    return list(found)


def blamed(
    problem: Problem, bad: Sequence[Point], every: Sequence[Point], sweep: Sweep
) -> list[Problem]:
    """The problem at each value of the sweep that brings it, or, if none does, as it is.

    The `bad` points have the problem, and `every` point could have it.
    """

    def brings(key: str) -> bool:
        """Whether there is a value of the key without it, or the problem lies inside the key."""
        with_it = [point[key] for point in bad if key in point]
        others = [point[key] for point in every if key in point]
        swept = _as_in(key, problem)
        return bool(with_it) and (
            problem.path[: len(swept)] == swept
            or any(all(not _same(value, each) for each in with_it) for value in others)
        )

    keys = [key for key in sweep if brings(key)]
    found = (_blamed(problem, {key: point[key] for key in keys}, sweep) for point in bad if keys)
    return list(dict.fromkeys(found)) or [problem]


def _blamed(problem: Problem, point: Point, sweep: Sweep) -> Problem:
    """The same problem, at the place of the swept key that is nearest to it."""
    key = max(point, key=lambda name: shared(_as_in(name, problem), problem.path))
    index = next(i for i, value in enumerate(sweep[key]) if _same(value, point[key]))
    swept = _as_in(key, problem)
    below = problem.path[len(swept) :]
    if problem.path[: len(swept)] != swept:
        text = f"with {quoted(point[key])}, {dotted(problem.path)}: {problem.message}"
        return replace(problem, path=("sweep", key, index), message=text, at_key=False)
    if problem.at_key and not below:
        return replace(problem, path=("sweep", key))
    return replace(problem, path=("sweep", key, index, *below))


def _as_in(key: str, problem: Problem) -> tuple[str, ...]:
    """The path of a swept key, that of `models.*.KEY` with the model that the problem is about."""
    parts = tuple(key.split("."))
    about = str(problem.path[1]) if len(problem.path) > 1 else EVERY
    return (parts[0], about, *parts[2:]) if parts[1:2] == (EVERY,) else parts
