"""A spec -> the list of its trials."""

from collections.abc import Sequence

from involbench.spec.document import Problem
from involbench.spec.load import LoadedSpec
from involbench.spec.schema import ExperimentSpec
from involbench.spec.sweep import Point, at_point, blamed, points
from involbench.spec.trial import Trial, concerning, one_seed_each


def expand(loaded: LoadedSpec) -> list[Trial]:
    """All trials, seed by seed, then point by point of the sweep, then model by model.

    A swept key of one model does not concern the others: their trials carry a `point` without
    it and are listed once. The order and the trials depend on nothing but the spec.

    Raises:
        SpecError: An operator does not fit the channels of its layers.
    """
    as_given = loaded.spec.model_dump(exclude_unset=True)
    experiments = [
        (point, ExperimentSpec.model_validate(at_point(as_given, point)))
        for point in points(loaded.spec.sweep)
    ]
    trials: dict[str, Trial] = {}
    for seed in loaded.spec.seeds:
        for point, experiment in experiments:
            for trial in _one_of_each_model(experiment, point, seed):
                settings = trial.model_dump_json(exclude={"point"})
                trials.setdefault(settings, trial)
    found = list(trials.values())
    refuse_trials(
        loaded,
        found,
        [
            (trial, Problem(("models", trial.model, *path), text))
            for trial in one_seed_each(found)
            for path, text in trial.architecture.misfits.items()
        ],
    )
    return found


def refuse_trials(
    loaded: LoadedSpec, trials: Sequence[Trial], found: Sequence[tuple[Trial, Problem]]
) -> None:
    """Raise one `SpecError` with what is wrong with trials, if anything is.

    Each problem stands at the key that it is about, or at the swept values that bring it.

    Args:
        loaded: The spec.
        trials: All of them.
        found: Which trial has which problem.
    """
    with_it: dict[Problem, list[Point]] = {}
    for trial, problem in found:
        with_it.setdefault(problem, []).append(trial.point)
    loaded.document.refuse(
        [
            each
            for problem, bad in with_it.items()
            for each in blamed(problem, bad, _concerned(problem, trials), loaded.spec.sweep)
        ]
    )


def _concerned(problem: Problem, trials: Sequence[Trial]) -> list[Point]:
    """The points of the trials that could have the problem: of its model, if it is about one."""
    model = problem.path[1] if problem.path[:1] == ("models",) else None
    return [trial.point for trial in trials if model in (None, trial.model)]


def _one_of_each_model(experiment: ExperimentSpec, point: Point, seed: int) -> list[Trial]:
    return [
        Trial(
            experiment=experiment.name,
            model=model,
            architecture=architecture,
            data=experiment.data,
            training=experiment.training,
            evaluate=experiment.evaluate,
            seed=seed,
            point=concerning(point, model),
        )
        for model, architecture in experiment.models.items()
    ]
