"""Networks side by side: how long an inference and a training step take, and what they hold."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil

from involbench.bench.call import Call, backend_tools
from involbench.bench.machine import this_machine
from involbench.bench.memory import peak_method
from involbench.bench.operator import seconds
from involbench.bench.warm_up import warm_up
from involbench.profiling import count_parameters, only_outlines
from involbench.results.benchmark import ModelSizes, ModelsMemory, ModelsTimes, ModelTimes
from involbench.spec.trial import Trial
from involbench.training.device import gpu_names
from involbench.training.fit import build
from involbench.training.recipe import make_loss, make_optimizer

_STEPS_EVERY = 5
"""Repeats; and in the second, since there is no spread of one value."""
_FLOAT32_BYTES = 4
_HELD_IN_A_STEP = 3
"""Times the activations: themselves, their gradients, and what the layers keep for those."""


@dataclass(frozen=True)
class Case:
    """A network to be timed, for images of one size."""

    name: str
    network: str
    """The same for all its sizes."""
    trial: Trial
    input_shape: tuple[int, int, int]
    num_classes: int


@dataclass
class _Network:
    """One that is built."""

    case: Case
    model: keras.Model

    def inference(self, batch: int) -> Call:
        """Images in, logits out, compiled where the backend compiles."""
        images = _images(self.case, batch)
        if keras.backend.backend() != "jax":
            return backend_tools().forward(
                lambda x, _: self.model(x, training=False), (images,) * 2
            )
        weights = tuple(
            [variable.value for variable in variables]
            for variables in (self.model.trainable_variables, self.model.non_trainable_variables)
        )

        def stateless(x: Any, both: Any) -> Any:
            return self.model.stateless_call(*both, x, training=False)[0]

        return backend_tools().forward(stateless, (images, weights))

    def step(self, batch: int) -> Call:
        """A training step of the trial's optimizer; reading its loss waits for it."""
        self.model.compile(make_optimizer(self.case.trial), make_loss(self.case.trial))
        x = _images(self.case, batch)
        y = keras.ops.convert_to_tensor(np.arange(batch) % self.case.num_classes)
        return Call(lambda: [self.model.train_on_batch(x, y)], ())


def time_models(
    cases: Sequence[Case],
    batches: Sequence[int],
    step_batch: int,
    repeats: int,
    progress: Callable[[int, int], None],
) -> ModelsTimes:
    """Time inferences and training steps of the networks, in alternation.

    Every timed call follows one of the same kind that is not, so that each finds the caches as it
    leaves them.

    Args:
        cases: The networks.
        batches: How many images an inference has, the smallest first.
        step_batch: How many a training step has.
        repeats: How often each is timed.
        progress: Called with the repeats that are done, and with all.
    """
    networks = [_built(case) for case in cases]
    sizes = [_sizes(network) for network in networks]
    calls = [{batch: network.inference(batch) for batch in batches} for network in networks]
    first = [seconds(each[batches[0]]) for each in calls]
    warm = [
        {batch: warm_up(partial(seconds, call)) for batch, call in each.items()} for each in calls
    ]
    steps = [network.step(step_batch) for network in networks]
    taken: list[dict[int, list[float]]] = [{batch: [] for batch in batches} for _ in networks]
    steps_taken: list[list[float]] = [[] for _ in networks]
    for repeat in range(repeats):
        progress(repeat, repeats)
        order = range(len(networks)) if repeat % 2 else reversed(range(len(networks)))
        for index in order:
            for batch, call in calls[index].items():
                seconds(call)
                taken[index][batch].append(seconds(call))
            if repeat == 1 or repeat % _STEPS_EVERY == 0:
                seconds(steps[index])
                steps_taken[index].append(seconds(steps[index]))
    return ModelsTimes(
        models=tuple(
            ModelTimes(
                name=case.name,
                network=case.network,
                input_shape=case.input_shape,
                sizes=sizes[index],
                first_call_seconds=first[index],
                warm_up_calls=warm[index],
                seconds={batch: tuple(values) for batch, values in taken[index].items()},
                step_seconds=tuple(steps_taken[index]),
            )
            for index, case in enumerate(cases)
        ),
        step_batch=step_batch,
        machine=this_machine(),
    )


def measure_models(cases: Sequence[Case], batches: Sequence[int], step_batch: int) -> ModelsMemory:
    """The most memory that each network holds beyond its weights and its images.

    As `measure_memory` measures the operator's; a training step holds the optimizer's state too.
    """
    peak, method = peak_method()
    inferences, steps = dict[str, dict[int, int]](), dict[str, int | None]()
    knows_steps = keras.backend.backend() != "jax" or not gpu_names()
    for case in cases:
        network = _built(case)
        inferences[case.name] = {batch: peak(network.inference(batch)) for batch in batches}
        steps[case.name] = peak(network.step(step_batch)) if knows_steps else None
        keras.backend.clear_session()
    return ModelsMemory(peak_bytes=inferences, step_bytes=steps, method=method)


def fitting_batches(
    cases: Sequence[Case], batches: Sequence[int], step_batch: int
) -> tuple[tuple[int, ...], int]:
    """The batches, halved until what all layers of each network make of them fits into memory."""
    if gpu_names():
        return tuple(batches), step_batch
    with only_outlines():
        most = max(_activations(_built(case).model) for case in cases) * _FLOAT32_BYTES
    free = psutil.virtual_memory().available

    def halved(batch: int, needed: int) -> int:
        while batch > 1 and batch * needed > free:
            batch //= 2
        return batch

    fitting = dict.fromkeys(halved(batch, most) for batch in batches)
    return tuple(fitting), halved(step_batch, _HELD_IN_A_STEP * most)


def _built(case: Case) -> _Network:
    return _Network(case, build(case.trial, case.input_shape, case.num_classes))


def _images(case: Case, batch: int) -> Any:
    rng = np.random.default_rng(0)
    return keras.ops.convert_to_tensor(rng.random((batch, *case.input_shape), np.float32))


def _sizes(network: _Network) -> ModelSizes:
    counted = count_parameters(network.model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        network.model.save(path)
        size = path.stat().st_size
    return ModelSizes(
        parameters=counted.total,
        macs=None if counted.not_counted else counted.macs,
        activations=_activations(network.model),
        file_bytes=size,
    )


def _activations(model: keras.Model) -> int:
    made = (layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer))
    shapes = [layer.output.shape[1:] for layer in made]
    return sum(int(np.prod(shape)) for shape in shapes)
