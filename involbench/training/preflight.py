"""Finding what is wrong with an experiment before anything of it is written."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import keras
import psutil

from involbench.data import Dataset
from involbench.errors import DataError, SettingError
from involbench.profiling import only_outlines
from involbench.spec.trial import Trial
from involbench.training.distribution import shared_among
from involbench.training.fit import build
from involbench.training.recipe import make_optimizer
from involbench.training.split import split_dataset

_BYTES = 4
"""Of a weight, under each precision."""


def faults_of_run(trial: Trial, dataset: Dataset) -> list[SettingError]:
    """Everything that would end the trial before its first step.

    The data are split and the model is outlined as `run_trial` would do it, and thrown away.
    """
    return [
        *_faults(partial(shared_among, trial.training)),
        *_faults(partial(_split, trial, dataset)),
        *faults_of_build(trial, dataset.input_shape, dataset.num_classes),
    ]


def faults_of_build(
    trial: Trial, input_shape: tuple[int, int, int], num_classes: int
) -> list[SettingError]:
    """What is wrong with the trial's model and with its optimizer."""
    return [
        *_faults(partial(_outline, trial, input_shape, num_classes)),
        *_faults(partial(make_optimizer, trial)),
    ]


def _faults(try_it: Callable[[], object]) -> Iterator[SettingError]:
    try:
        try_it()
    except SettingError as error:
        yield error


def _split(trial: Trial, dataset: Dataset) -> None:
    data = trial.data
    try:
        split_dataset(dataset, trial.seed, data.train_size, data.validation)
    except DataError as error:
        raise SettingError.of("data", error) from error


def _outline(trial: Trial, input_shape: tuple[int, int, int], num_classes: int) -> None:
    """Build the model without values for its weights, and see whether they have room."""
    with only_outlines():
        model: keras.Model = build(trial, input_shape, num_classes)
        count = sum(math.prod(weight.shape) for weight in model.weights)
    needed, there = count * _BYTES / 2**30, psutil.virtual_memory().total / 2**30
    if needed > there:
        raise SettingError(
            f"models.{trial.model}",
            f"its {count:,} weights need {needed:,.0f} GiB, and this machine has {there:,.0f} GiB "
            "of memory; make it narrower",
        )
