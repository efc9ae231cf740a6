"""The grids of a spec, `sweep` and `tune`: whether every point of them is a valid experiment."""

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
from involbench.spec.tune import Grid
from involbench.spec.yaml import Problem
from involbench.text import KeyPath, describe, dotted, quoted, shared, suggest

MAX_TRIALS = 10_000

Point = dict[str, Any]
Grids = Mapping[str, Grid]
"""The grids of a spec by the name of their section."""

_SECTIONS = {"sweep": {"data": 2, "training": 2, "models": 3}, "tune": {"training": 2}}
"""The sections that a key may be of, each with the fewest parts of its path."""
_PATHS = {
    "sweep": "data.KEY, training.KEY, models.NAME.KEY or models.*.KEY",
    "tune": "training.KEY",
}


def sweep_points(sweep: Grid) -> list[Point]:
    """Every combination of the swept values; the last key changes fastest."""
    return [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]


def at_point(values: dict[str, Any], point: Point) -> dict[str, Any]:
    """A raw spec with the values of a point set in it."""
    for key, value in point.items():
        for path in every_path(values, tuple(key.split("."))):
            values = assigned(values, path, value)
    return values


def grid_problems(values: dict[str, Any], known: Sequence[Problem]) -> list[Problem]:
    """What is wrong with the grids of a raw spec, but not with the spec without them."""
    grids = {"sweep": _lists(values.get("sweep")), "tune": _lists(values.get("tune"), "training.")}
    found, sound = list[Problem](), dict[str, dict[str, list[Any]]]()
    for name, grid in grids.items():
        by_key = {key: _key_problems(name, key, grid[key], values) for key in grid}
        found += [each for problems in by_key.values() for each in problems] + _overlaps(name, grid)
        sound[name] = {key: choices for key, choices in grid.items() if not by_key[key]}
    swept_too = [
        Problem(
            ("tune", key),
            f"the sweep has {other!r}; a key is swept or tuned, not both",
            at_key=True,
        )
        for key in sound["tune"]
        for other in sound["sweep"]
        if _inside(key, other) or _inside(other, key)
    ]
    if swept_too:
        return found + swept_too
    count = prod(map(len, (sound["sweep"] | sound["tune"]).values()))
    if count > MAX_TRIALS:
        name = "tune" if sound["tune"] else "sweep"
        return [*found, Problem((name,), f"{count} points; at most {MAX_TRIALS} are possible")]
    return found + _point_problems(values, sound, known)


def _lists(given: Any, start: str = "") -> dict[str, list[Any]]:
    """The key paths with a list of values, of those that begin so."""
    grid = given if isinstance(given, dict) else {}
    return {
        key: list(choices)
        for key, choices in grid.items()
        if str(key).startswith(start) and isinstance(choices, list | tuple) and choices
    }


def _key_problems(
    section: str, key: str, choices: list[Any], values: dict[str, Any]
) -> list[Problem]:
    path, parts = (section, key), key.split(".")
    models = values.get("models")
    names = list(models) if isinstance(models, dict) else []
    fewest = _SECTIONS[section].get(parts[0], 0)
    if not fewest or len(parts) < fewest or not all(parts):
        text = f"expected a key path: {_PATHS[section]}"
        return [Problem(path, text, at_key=True)]
    if parts[0] == "models" and parts[1] not in (EVERY, *names):
        text = f"{parts[1]!r} is not one of the models; {suggest(parts[1], names)}"
        return [Problem(path, text, at_key=True)]
    if parts[0] == "training" and parts[1] in NON_RESULT_FIELDS:
        text = "changes nothing that a trial results in, so its values cannot be compared"
        return [Problem(path, text, at_key=True)]
    if section == "tune" and parts[1] == "epochs":
        text = "cannot be tuned: every candidate is trained for as many epochs as the others"
        return [Problem(path, text, at_key=True)]
    if section == "tune" and len(choices) < 2:
        return [Problem(path, "expected at least two candidates; one leaves no choice")]
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


def _overlaps(section: str, grid: Grid) -> list[Problem]:
    done = "swept" if section == "sweep" else "tuned"
    return [
        Problem((section, long), f"lies inside {short!r}, which is {done} too", at_key=True)
        for short, long in (sorted(pair, key=len) for pair in combinations(grid, 2))
        if _inside(long, short)
    ]


def _inside(below: str, above: str) -> bool:
    """Whether a key path is another one, or below it; `*` stands for every model."""
    long, short = tuple(below.split(".")), tuple(above.split("."))
    if EVERY in (*long[1:2], *short[1:2]) and long[0] == short[0]:
        long, short = (long[0], *long[2:]), (short[0], *short[2:])
    return long[: len(short)] == short


def _point_problems(
    values: dict[str, Any], grids: Grids, known: Sequence[Problem]
) -> list[Problem]:
    """The problems that come with the values of the grids, each at the value that brings it."""
    found: dict[Problem, None] = {}
    for point in sweep_points({key: grid[key] for grid in grids.values() for key in grid}):
        try:
            ExperimentSpec.model_validate(at_point(values, point))
        except ValidationError as error:
            new = [problem for problem in problems_of(error) if problem not in known]
            found.update((_blamed(problem, point, grids), None) for problem in new)
    return list(found)


def blamed(
    problem: Problem, bad: Sequence[Point], every: Sequence[Point], grids: Grids
) -> list[Problem]:
    """The problem at each value of a grid that brings it, or, if none does, as it is.

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

    keys = [key for grid in grids.values() for key in grid if brings(key)]
    found = (_blamed(problem, {key: point[key] for key in keys}, grids) for point in bad if keys)
    return list(dict.fromkeys(found)) or [problem]


def _blamed(problem: Problem, point: Point, grids: Grids) -> Problem:
    """The same problem, at the place of the key of a grid that is nearest to it."""
    key = max(point, key=lambda name: shared(_as_in(name, problem), problem.path))
    section = next(name for name, grid in grids.items() if key in grid)
    places = [i for i, value in enumerate(grids[section][key]) if _same(value, point[key])]
    place: KeyPath = (section, key, *places[:1])  # `extend` adds values that have no place.
    swept = _as_in(key, problem)
    below = problem.path[len(swept) :]
    if problem.path[: len(swept)] != swept:
        text = f"with {quoted(point[key])}, {dotted(problem.path)}: {problem.message}"
        return replace(problem, path=place, message=text, at_key=False)
    if problem.at_key and not below:
        return replace(problem, path=(section, key))
    return replace(problem, path=(*place, *below))


def _as_in(key: str, problem: Problem) -> tuple[str, ...]:
    """The path of a swept key, that of `models.*.KEY` with the model that the problem is about."""
    parts = tuple(key.split("."))
    about = str(problem.path[1]) if len(problem.path) > 1 else EVERY
    return (parts[0], about, *parts[2:]) if parts[1:2] == (EVERY,) else parts
