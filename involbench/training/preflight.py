"""Finding what is wrong with an experiment before anything of it is written."""

from involbench.data import Dataset
from involbench.profiling import only_outlines
from involbench.spec.trial import Trial
from involbench.training.distribution import shared_among
from involbench.training.fit import build
from involbench.training.recipe import make_optimizer
from involbench.training.split import split_dataset


def check_trial(trial: Trial, dataset: Dataset) -> None:
    """Split the data and outline the model as `run_trial` would make it; throw both away.

    Raises:
        DataError: The data do not fit the trial.
        SpecError: The model or its optimizer cannot be built.
        UsageError: The devices that it asks for cannot share its batches.
    """
    shared_among(trial.training)
    data = trial.data
    split_dataset(dataset, trial.seed, data.train_size, data.validation)
    with only_outlines():
        build(trial, dataset.input_shape, dataset.num_classes)
    make_optimizer(trial)
