"""The table of optimizers against Keras itself, in a process of its own."""

import json
import subprocess
import sys

from involbench.spec.optimizers import OPTIMIZERS, SWITCHES, WHOLE_NUMBERS

LIST = """
import inspect, json, keras
wrappers = {"LossScaleOptimizer", "MultiOptimizer", "Optimizer", "OptimizerMap"}
print(json.dumps({
    name.lower(): {
        p.name: type(p.default).__name__
        for p in inspect.signature(cls).parameters.values() if p.name not in ("name", "kwargs")
    }
    for name, cls in vars(keras.optimizers).items()
    if inspect.isclass(cls) and name not in wrappers
}))
"""
# It takes names of layers, which a spec does not know.
NOT_OFFERED = {"exclude_layers"}


def test_the_optimizers_and_their_arguments_are_those_of_keras() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST], capture_output=True, text=True, check=True, timeout=120
    )
    of_keras = json.loads(done.stdout.splitlines()[-1])
    assert {name: set(taken) for name, taken in OPTIMIZERS.items()} == {
        name: set(taken) - NOT_OFFERED for name, taken in of_keras.items()
    }
    kinds = {name: kind for taken in of_keras.values() for name, kind in taken.items()}
    assert {name for name, kind in kinds.items() if kind == "bool"} == SWITCHES
    whole = {name for name, kind in kinds.items() if kind == "int"} - {"adam_lr_ratio"}
    without_default = {"ema_overwrite_frequency", "gradient_accumulation_steps"}
    assert whole | without_default == WHOLE_NUMBERS
