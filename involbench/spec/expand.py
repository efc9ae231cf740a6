"""A spec -> its trials; one network named on the command line -> a trial of it."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from involbench.errors import UsageError
from involbench.registry import architectures
from involbench.spec.load import LoadedSpec
from involbench.spec.messages import problems_of
from involbench.spec.schema import ExperimentSpec
from involbench.spec.sweep import Point, at_point, blamed, points
from involbench.spec.trial import Trial, one_seed_each, relevant_coordinates
from involbench.spec.yaml import NotYaml, Problem, parse
from involbench.text import nearest


def adhoc_trial(text: str) -> tuple[str, Trial]:
    """A network for 32x32 colour images of ten classes, and what to call it.

    Args:
        text: An architecture's name, or what a spec has below a model's name:
            `{architecture: rednet, depth: 26}`.

    Raises:
        UsageError: It is neither.
    """
    given = _mapping(text) if text.lstrip().startswith("{") else {"architecture": text}
    values = {"name": "bench", "data": {"dataset": "digits"}, "models": {"model": given}}
    try:
        spec = ExperimentSpec.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(problem.message for problem in problems_of(error))
        raise UsageError(f"{text}: {problems}") from None
    trial = Trial(
        experiment=spec.name,
        model="model",
        architecture=spec.models["model"],
        data=spec.data,
        training=spec.training,
        seed=0,
    )
    first = given["architecture"]
    rest = (_short(value) for key, value in given.items() if key != "architecture")
    return " ".join([first, *rest]), trial


def is_architecture(text: str) -> bool:
    """Whether it is what `adhoc_trial` takes."""
    return text.lstrip().startswith("{") or text in architectures()


def near_architecture(text: str) -> str | None:
    """The architecture whose name is nearest to a text, if one is near."""
    return nearest(text, architectures())


def _short(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = parse(text).value
    except NotYaml as error:
        raise UsageError(f"{text}: no YAML: {error}") from None
    if not isinstance(value, dict) or "architecture" not in value:
        raise UsageError(f"{text}: expected a mapping such as {{architecture: rednet, depth: 26}}")
    return value


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
            point=relevant_coordinates(point, model),
        )
        for model, architecture in experiment.models.items()
    ]
