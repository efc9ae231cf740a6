"""Times and memory of networks, and times of exported networks, measured in alternation."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil

from involbench.benchmark.backends import BenchmarkCase, backend_in_use
from involbench.benchmark.measurement import peak_method, seconds, this_machine, warm_up
from involbench.export.formats import EXPORTERS, Images, Runtime
from involbench.models.parameters import build_without_weights, count_parameters
from involbench.results.benchmarks import (
    Exported,
    ExportTimes,
    ModelSizes,
    ModelsMemory,
    ModelsTimes,
    ModelTimes,
)
from involbench.spec.trial import Trial
from involbench.training.fit import build
from involbench.training.optimizer import make_loss, make_optimizer
from involbench.training.provenance import gpu_names

_STEPS_EVERY = 5
"""Training steps are timed in one of so many repeats; and in the second, to have a spread."""
_FLOAT32_BYTES = 4
_ACTIVATIONS_IN_A_STEP = 3
"""Memory of a training step, in activations: themselves, their gradients, and saved values."""


@dataclass(frozen=True)
class Case:
    """A network to measure, for images of one size."""

    name: str
    network: str
    """The name without the image size."""
    trial: Trial
    input_shape: tuple[int, int, int]
    num_classes: int


@dataclass
class _Network:
    """A network that is built."""

    case: Case
    model: keras.Model

    def inference(self, batch: int) -> BenchmarkCase:
        """Images in, logits out, compiled where the backend compiles."""
        images = _images(self.case, batch)
        if keras.backend.backend() != "jax":
            return backend_in_use().forward(
                lambda x, _: self.model(x, training=False), (images,) * 2
            )
        weights = tuple(
            [variable.value for variable in variables]
            for variables in (self.model.trainable_variables, self.model.non_trainable_variables)
        )

        def stateless(x: Any, both: Any) -> Any:
            return self.model.stateless_call(*both, x, training=False)[0]

        return backend_in_use().forward(stateless, (images, weights))

    def step(self, batch: int) -> BenchmarkCase:
        """A training step with the optimizer of the trial; reading its loss waits for it."""
        self.model.compile(make_optimizer(self.case.trial), make_loss(self.case.trial))
        x = _images(self.case, batch)
        y = keras.ops.convert_to_tensor(np.arange(batch) % self.case.num_classes)
        return BenchmarkCase(lambda: [self.model.train_on_batch(x, y)], ())


def time_models(
    cases: Sequence[Case],
    batches: Sequence[int],
    step_batch: int,
    repeats: int,
    progress: Callable[[int, int], None],
) -> ModelsTimes:
    """Time inferences and training steps of networks, in alternation, `repeats` times.

    An untimed call of the same kind goes before each timed call, to fill the caches. `batches` are
    those of inferences, the smallest first; `progress` gets the number of finished repeats, and of
    all.
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
    """The peak memory of each network beyond its weights and images; see `measure_memory`.

    That of a training step includes the state of the optimizer.
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
    """The batch sizes, halved until the activations of each network fit into memory."""
    if gpu_names():
        return tuple(batches), step_batch
    with build_without_weights():
        most = max(_activations(_built(case).model) for case in cases) * _FLOAT32_BYTES
    free = psutil.virtual_memory().available

    def halved(batch: int, needed: int) -> int:
        while batch > 1 and batch * needed > free:
            batch //= 2
        return batch

    fitting = dict.fromkeys(halved(batch, most) for batch in batches)
    return tuple(fitting), halved(step_batch, _ACTIVATIONS_IN_A_STEP * most)


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
    layers = (each for each in model.layers if not isinstance(each, keras.layers.InputLayer))
    shapes = [layer.output.shape[1:] for layer in layers]
    return sum(int(np.prod(shape)) for shape in shapes)


def time_exports(
    exports: Sequence[Exported],
    threads: int,
    repeats: int,
    progress: Callable[[int, int], None],
) -> ExportTimes:
    """Time exported networks for one image, in alternation, as `time_models` does.

    TensorFlow got its number of threads when this process started.
    """
    loaded = [EXPORTERS[each.record.format].load(each.path, threads) for each in exports]
    images = [_image(each) for each in exports]
    calls = list(zip(loaded, images, strict=True))
    for runtime, image in calls:
        warm_up(partial(_seconds, runtime, image))
    taken: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats):
        progress(repeat, repeats)
        order = range(len(calls)) if repeat % 2 else reversed(range(len(calls)))
        for index in order:
            _seconds(*calls[index])
            taken[index].append(_seconds(*calls[index]))
    return ExportTimes(threads=threads, seconds=tuple(map(tuple, taken)), machine=this_machine())


def _image(export: Exported) -> Images:
    shape = (1, *(size or 1 for size in export.record.input_shape[1:]))
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def _seconds(runtime: Runtime, image: Images) -> float:
    """The time of one call, with the copy of its result to Python."""
    start = time.perf_counter()
    runtime(image)
    return time.perf_counter() - start
