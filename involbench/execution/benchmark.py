"""Benchmarks in worker processes of their own."""

from collections.abc import Callable, Sequence

from involbench.execution.client import Worker
from involbench.execution.messages import (
    MeasureMemory,
    Notice,
    Report,
    TimeOperator,
    TimeSteps,
)
from involbench.results.benchmark import OperatorMemory, OperatorShape, OperatorTimes, StepTimes

_GIVES_MEMORY_BACK = {"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1", "GLIBC_TUNABLES": ""}
"""TensorFlow's pool for oneDNN keeps what was freed, and huge pages round sizes up."""


def bench_operator(
    shapes: Sequence[OperatorShape], repeats: int, device: str, show: Callable[[Report], None]
) -> list[tuple[OperatorTimes, OperatorMemory]]:
    """Times and memory at each shape, every shape timed in a new process.

    Raises:
        UsageError: The device is not there, or a shape does not fit into memory.
        InvolbenchError: The operator's results differ from those it is compared with.
    """
    times = []
    for index, shape in enumerate(shapes, start=1):
        show(Notice(f"[{index}/{len(shapes)}] {shape}: starting Keras and compiling"))
        with Worker(device) as worker:
            times.append(worker.ask(TimeOperator(shape, repeats, device), show))
    memory = []
    with Worker(device, _GIVES_MEMORY_BACK) as worker:
        for index, shape in enumerate(shapes, start=1):
            show(Notice(f"[{index}/{len(shapes)}] {shape}: measuring memory"))
            memory.append(worker.ask(MeasureMemory(shape), show))
    return list(zip(times, memory, strict=True))


def bench_step(repeats: int, device: str, show: Callable[[Report], None]) -> StepTimes:
    """Training steps of the keras.io INN on the published layer, on ours, and of its control.

    Raises:
        UsageError: The device is not there.
        InvolbenchError: The networks' losses differ before any training.
    """
    show(Notice("starting Keras and building the networks"))
    with Worker(device) as worker:
        steps: StepTimes = worker.ask(TimeSteps(repeats, device), show)
    return steps
