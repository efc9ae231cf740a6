"""What a worker process does with the request for a benchmark, beside `desk`."""

from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from involbench.workers.protocol import (
    Benchmark,
    BenchmarkResult,
    FitBatches,
    MeasureMemory,
    MeasureModels,
    ModelBenchmark,
    Notice,
    Progress,
    TimeExports,
    TimeModels,
    TimeOperator,
    TimeSteps,
    dataset_arguments,
    dataset_key,
)

if TYPE_CHECKING:
    from involbench.benchmark.models import Case


def run_benchmark(request: Benchmark, connection: Connection) -> BenchmarkResult:
    """Measure what is asked for.

    Raises:
        UsageError: The device is not there, or a shape does not fit into memory.
        InvolbenchError: What is compared gives different results.
    """
    from involbench.benchmark.memory import measure_memory
    from involbench.benchmark.models import time_exports
    from involbench.benchmark.operator import time_operator
    from involbench.benchmark.step import time_steps
    from involbench.training.provenance import require_device

    progress = partial(_repeats, connection)
    if isinstance(request, MeasureModels | FitBatches):
        require_device(request.times.device)
    else:
        require_device(request.device)
    match request:
        case TimeOperator(shape, repeats):
            return time_operator(shape, repeats, progress)
        case MeasureMemory(shape):
            return measure_memory(shape)
        case TimeSteps(repeats):
            return time_steps(repeats, progress)
        case TimeExports(exports, threads, repeats):
            return time_exports(exports, threads, repeats, progress)
        case _:
            return _models(request, connection)


def _models(request: ModelBenchmark, connection: Connection) -> BenchmarkResult:
    from involbench.benchmark.models import measure_models, time_models

    wanted = request if isinstance(request, TimeModels) else request.times
    cases, batches, step = _cases(wanted), wanted.batches, wanted.step_batch
    match request:
        case MeasureModels():
            return measure_models(cases, batches, step)
        case FitBatches():
            return _fitting(wanted, cases, connection)
        case TimeModels(repeats=repeats):
            return time_models(cases, batches, step, repeats, partial(_repeats, connection))


def _fitting(wanted: TimeModels, cases: "list[Case]", connection: Connection) -> TimeModels:
    """What is wanted, with batches that fit into memory."""
    from involbench.benchmark.models import fitting_batches

    batches, step = fitting_batches(cases, wanted.batches, wanted.step_batch)
    if (batches, step) != (wanted.batches, wanted.step_batch):
        fitting = f"inferences of {', '.join(map(str, batches))} images, training steps of {step}"
        connection.send(Notice(f"not all fits into memory; halved until it does: {fitting}"))
    return replace(wanted, batches=batches, step_batch=step)


def _cases(wanted: TimeModels) -> "list[Case]":
    from involbench.benchmark.models import Case
    from involbench.data import describe_dataset

    cases = []
    for network in wanted.networks:
        if network.facts is None:
            source = dataset_arguments(dataset_key(network.trial.data))
            (*size, channels), classes = describe_dataset(**source)
        else:
            *size, channels = network.facts.input_shape
            classes = len(network.facts.class_names)
        for height, width in wanted.image_sizes or [tuple(size)]:
            at = f" {height}x{width}" if len(wanted.image_sizes) > 1 else ""
            shape, name = (height, width, channels), f"{network.name}{at}"
            cases.append(Case(name, network.name, network.trial, shape, classes))
    return cases


def _repeats(connection: Connection, done: int, total: int) -> None:
    connection.send(Progress("repeat", done, total))
