"""Train the candidates of `tune`, and choose the best of each model and sweep point.

The trials of `tune` are planned and trained as those of the experiment are. Their folder is
`tuning/runs`, beside `runs`, so that nothing that reads the experiment's runs counts them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import mean
from typing import Any

from involbench.errors import ResultsError
from involbench.results.store import Store
from involbench.results.tree import read_run
from involbench.results.tuning import NO_TUNING, Candidate, Choice, Tuning
from involbench.runner.plan import PlannedTrial
from involbench.spec.load import LoadedSpec, expand, expand_tuning
from involbench.spec.trial import Trial
from involbench.spec.tune import Grid, value_beyond

_MOST_STEPS = 5
"""Steps by which `extend` makes a grid larger."""


@dataclass(frozen=True)
class TuningOutcome:
    """The trials of `tune`, and the choices."""

    planned: tuple[PlannedTrial, ...] = ()
    tuning: Tuning = NO_TUNING
    """The choices, where all trials of a model and sweep point have ended."""
    failed: int = 0
    """The number of trials that failed in this run."""
    waiting: int = 0
    """The number of trials that have not ended, in this run or elsewhere."""


def tune(
    loaded: LoadedSpec,
    store: Store,
    plan: Callable[[Sequence[Trial]], list[PlannedTrial]],
    train: Callable[[list[PlannedTrial]], int] | None,
) -> TuningOutcome:
    """Train every candidate, and choose the best of each model and sweep point.

    With `extend`, the grid gets another value where a choice is at its edge, for all models alike,
    so that each has as many candidates.

    Args:
        loaded: The spec.
        store: The folder of the trials.
        plan: Gives the trials their run ids.
        train: Trains those that are not finished, and returns how many failed; None to choose by
            the finished ones.
    """
    spec = loaded.spec.tune
    grid: Grid = spec.grid
    planned, failed = list[PlannedTrial](), 0
    for step in range(_MOST_STEPS + 1):
        known = [item.trial.kind for item in planned]
        new = plan([each for each in expand_tuning(loaded, grid) if each.kind not in known])
        planned += new
        own = [item for item in new if not item.elsewhere]
        failed += train(own) if train else 0
        results = [_result(store, item, train is None) for item in planned]
        waiting = sum(result is None for result in results)
        choices = tuple(_choices(grid, list(zip(planned, results, strict=True))))
        wider = _extended(grid, choices)
        if not spec.extend or waiting or wider == grid or step == _MOST_STEPS:
            break
        grid = wider
    if spec.extend and waiting:
        choices = ()  # Further candidates may follow.
    tuning = Tuning(seeds=spec.seeds, choices=choices)
    return TuningOutcome(tuple(planned), tuning, failed, waiting)


def tuned_trials(loaded: LoadedSpec, tuning: Tuning) -> list[Trial]:
    """The trials of the experiment, with what was chosen for each; else as the spec has them."""
    found = []
    for trial in expand(loaded):
        if choice := tuning.choice(trial.model, trial.point):
            training = trial.training_with(choice.values)
            trial = trial.model_copy(update={"training": training, "tuned": choice.values})
        found.append(trial)
    return found


@dataclass(frozen=True)
class _Result:
    """How a trial ended."""

    accuracy: Fraction | None
    """Validation accuracy after the last epoch, of the weights that a run is tested with; None if
    the run failed, diverged or ran out of time."""


def _result(store: Store, item: PlannedTrial, finished_only: bool) -> _Result | None:
    """The result of a trial; None if it has not ended, or if it will be trained again."""
    if finished_only and not item.finished:
        return None
    try:
        run = read_run(store.run_dir(item.run_id))
        history = run.history() if run.record.status == "finished" else {}
    except ResultsError:
        return None
    last, facts = next(reversed(history.get("val_accuracy", ())), None), run.record.data
    if last is None or facts is None:
        return _Result(None)
    # Keras rounds to single precision, and equal means must be equal.
    size = facts.validation_size
    return _Result(Fraction(round(last * size), size))


def _choices(grid: Grid, ended: Sequence[tuple[PlannedTrial, _Result | None]]) -> Iterator[Choice]:
    """The choice of each model and sweep point whose trials have all ended."""
    arms: dict[str, list[tuple[Trial, _Result | None]]] = {}
    for item, result in ended:
        arms.setdefault(f"{item.trial.model} {item.trial.point}", []).append((item.trial, result))
    for arm in arms.values():
        if all(result for _, result in arm) and (choice := _choice(grid, arm)):
            yield choice


def _choice(grid: Grid, arm: Sequence[tuple[Trial, _Result | None]]) -> Choice | None:
    """The best candidate of one model at one sweep point; None if none has a result."""
    by_seed: dict[str, dict[int, Fraction | None]] = {}
    for trial, result in arm:
        accuracies = by_seed.setdefault(trial.kind, {})
        accuracies[trial.seed] = result.accuracy if result else None
    trials = {trial.kind: trial for trial, _ in arm}
    candidates = [
        Candidate(
            values=trials[kind].candidate,
            by_seed={s: None if a is None else float(a) for s, a in accuracies.items()},
            mean=_mean(accuracies),
        )
        for kind, accuracies in by_seed.items()
    ]
    usable = [each for each in candidates if each.mean is not None]
    if not usable:
        return None
    best = max(usable, key=lambda each: each.mean or 0.0)  # Of equal ones, the first.
    trial = arm[0][0]
    at_edge = tuple(key for key in grid if _beyond(trial, grid, key, best.values) is not None)
    return Choice(
        model=trial.model,
        point=trial.point,
        values=best.values,
        at_edge=at_edge,
        candidates=tuple(candidates),
    )


def _mean(accuracies: dict[int, Fraction | None]) -> float | None:
    """Their mean; None if one is missing."""
    known = [each for each in accuracies.values() if each is not None]
    return float(mean(known)) if len(known) == len(accuracies) else None


def _beyond(trial: Trial, grid: Grid, key: str, values: dict[str, Any]) -> float | int | None:
    """The valid value beyond the grid, if the chosen one is at its edge."""
    beyond = value_beyond(grid[key], values[key])
    if beyond is None or beyond in grid[key]:
        return None
    try:
        trial.training_with({**values, key: beyond})
    except ValueError:
        return None
    return beyond


def _extended(grid: Grid, choices: Sequence[Choice]) -> Grid:
    """The grid with a value beyond each edge at which there is a choice."""
    wider = {key: list(values) for key, values in grid.items()}
    for choice in choices:
        for key in choice.at_edge:
            beyond = value_beyond(grid[key], choice.values[key])
            if beyond not in wider[key]:
                wider[key].append(beyond)
    return {key: tuple(values) for key, values in wider.items()}
