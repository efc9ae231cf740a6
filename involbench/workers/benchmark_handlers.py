"""Handlers of the benchmarks; see `involbench.workers.handlers`."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from involbench.results.benchmarks import (
    Exported,
    ExportTimes,
    ModelsMemory,
    ModelsTimes,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    StepTimes,
)
from involbench.workers.handlers import Session, described
from involbench.workers.protocol import ModelBenchmark, Notice, Progress

if TYPE_CHECKING:
    from involbench.benchmark.models import Case


def time_operator(
    session: Session, shape: OperatorShape, repeats: int, device: str
) -> OperatorTimes:
    """Time the operator and its alternatives at one shape."""
    from involbench.benchmark.operator import time_operator

    _require_device(device)
    return time_operator(shape, repeats, _progress(session))


def measure_operator(session: Session, shape: OperatorShape, device: str) -> OperatorMemory:
    """Measure the memory of the operator and its alternatives at one shape."""
    from involbench.benchmark.operator import measure_memory

    _require_device(device)
    return measure_memory(shape)


def time_steps(session: Session, repeats: int, device: str) -> StepTimes:
    """Time training steps of networks."""
    from involbench.benchmark.step import time_steps

    _require_device(device)
    return time_steps(repeats, _progress(session))


def time_models(session: Session, wanted: ModelBenchmark) -> ModelsTimes:
    """Time networks side by side."""
    from involbench.benchmark.models import time_models

    _require_device(wanted.device)
    batches, step, progress = wanted.batches, wanted.step_batch, _progress(session)
    return time_models(_cases(wanted), batches, step, wanted.repeats, progress)


def measure_models(session: Session, wanted: ModelBenchmark) -> ModelsMemory:
    """Measure the memory of the same networks."""
    from involbench.benchmark.models import measure_models

    _require_device(wanted.device)
    return measure_models(_cases(wanted), wanted.batches, wanted.step_batch)


def fit_batches(session: Session, wanted: ModelBenchmark) -> ModelBenchmark:
    """Halve the batches that do not fit in memory."""
    from involbench.benchmark.models import fitting_batches

    _require_device(wanted.device)
    batches, step = fitting_batches(_cases(wanted), wanted.batches, wanted.step_batch)
    if (batches, step) != (wanted.batches, wanted.step_batch):
        fitting = f"inferences of {', '.join(map(str, batches))} images, training steps of {step}"
        session.report(Notice(f"not all fits into memory; halved until it does: {fitting}"))
    return replace(wanted, batches=batches, step_batch=step)


def time_exports(
    session: Session, exports: tuple[Exported, ...], threads: int, repeats: int
) -> ExportTimes:
    """Time exported networks side by side, on the CPU."""
    from involbench.benchmark.models import time_exports

    _require_device("cpu")
    return time_exports(exports, threads, repeats, _progress(session))


def _require_device(device: str) -> None:
    from involbench.training.provenance import require_device

    require_device(device)


def _progress(session: Session) -> Callable[[int, int], None]:
    return lambda done, total: session.report(Progress("repeat", done, total))


def _cases(wanted: ModelBenchmark) -> "list[Case]":
    from involbench.benchmark.models import Case

    cases = []
    for network in wanted.networks:
        if network.facts is None:
            (*size, channels), classes = described(network.trial.data)
        else:
            *size, channels = network.facts.input_shape
            classes = len(network.facts.class_names)
        for height, width in wanted.image_sizes or [tuple(size)]:
            at = f" {height}x{width}" if len(wanted.image_sizes) > 1 else ""
            shape, name = (height, width, channels), f"{network.name}{at}"
            cases.append(Case(name, network.name, network.trial, shape, classes))
    return cases
