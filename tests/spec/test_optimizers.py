"""The table of optimizers against Keras itself."""

import inspect

import keras

from involbench.spec.optimizers import OPTIMIZERS, SWITCHES, WHOLE_NUMBERS

WRAPPERS = {"LossScaleOptimizer", "MultiOptimizer", "Optimizer", "OptimizerMap"}
# It takes names of layers, which a spec does not know.
NOT_OFFERED = {"exclude_layers"}


def arguments(optimizer: type) -> dict[str, str]:
    """The arguments of an optimizer, and of what type their defaults are."""
    parameters = inspect.signature(optimizer).parameters.values()
    taken = [each for each in parameters if each.name not in ("name", "kwargs")]
    return {each.name: type(each.default).__name__ for each in taken}


def test_the_optimizers_and_their_arguments_are_those_of_keras() -> None:
    of_keras = {
        name.lower(): arguments(optimizer)
        for name, optimizer in vars(keras.optimizers).items()
        if inspect.isclass(optimizer) and name not in WRAPPERS
    }
    assert {name: set(taken) for name, taken in OPTIMIZERS.items()} == {
        name: set(taken) - NOT_OFFERED for name, taken in of_keras.items()
    }
    kinds = {name: kind for taken in of_keras.values() for name, kind in taken.items()}
    assert {name for name, kind in kinds.items() if kind == "bool"} == SWITCHES
    whole = {name for name, kind in kinds.items() if kind == "int"} - {"adam_lr_ratio"}
    without_default = {"ema_overwrite_frequency", "gradient_accumulation_steps"}
    assert whole | without_default == WHOLE_NUMBERS
