"""A spec -> the list of its trials."""

from involbench.spec.load import LoadedSpec
from involbench.spec.schema import ExperimentSpec
from involbench.spec.sweep import Point, at_point, points
from involbench.spec.trial import Trial, concerning


def expand(loaded: LoadedSpec) -> list[Trial]:
    """All trials, seed by seed, then point by point of the sweep, then model by model.

    A swept key of one model does not concern the others: their trials carry a `point` without
    it and are listed once. The order and the trials depend on nothing but the spec.
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
    return list(trials.values())


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
