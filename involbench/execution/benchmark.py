"""Benchmarks in worker processes of their own."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from involbench.errors import InvolbenchError
from involbench.execution.bench_requests import (
    FitBatches,
    MeasureMemory,
    MeasureModels,
    TimeModels,
    TimeOperator,
    TimeSteps,
)
from involbench.execution.budgets import with_widths
from involbench.execution.client import Worker, WorkerDied
from involbench.execution.messages import Notice, Report
from involbench.execution.shares import Share
from involbench.results.benchmark import (
    ModelsMemory,
    ModelsTimes,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    StepTimes,
)

_GIVES_MEMORY_BACK = {
    "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1",
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072",
}
"""Otherwise TensorFlow's own pool, and the C library for blocks of up to 32 MiB, keep what was
freed, so that the next call would seem to need little."""


def bench_operator(
    shapes: Sequence[OperatorShape], repeats: int, device: str, show: Callable[[Report], None]
) -> list[tuple[OperatorTimes, OperatorMemory]]:
    """Times and memory at each shape, every shape timed in a new process.

    Raises:
        UsageError: The device is not there, or a shape does not fit into memory.
        InvolbenchError: The operator's results differ from those it is compared with.
    """
    names = [f"[{index}/{len(shapes)}] {shape}" for index, shape in enumerate(shapes, start=1)]
    memory, times = [], []
    # First, since a shape that does not fit is refused here, before minutes of timing are lost.
    with Worker(Share(device), _GIVES_MEMORY_BACK) as worker:
        for name, shape in zip(names, shapes, strict=True):
            show(Notice(f"{name}: measuring memory"))
            memory.append(worker.ask(MeasureMemory(shape, device), show))
    for name, shape in zip(names, shapes, strict=True):
        show(Notice(f"{name}: starting Keras, compiling and timing"))
        with Worker(Share(device)) as worker:
            times.append(worker.ask(TimeOperator(shape, repeats, device), show))
    return list(zip(times, memory, strict=True))


def bench_step(repeats: int, device: str, show: Callable[[Report], None]) -> StepTimes:
    """Training steps of the keras.io INN on the published layer, on ours, and of its control.

    Raises:
        UsageError: The device is not there.
        InvolbenchError: The networks' losses differ before any training.
    """
    show(Notice("starting Keras and building the networks"))
    with Worker(Share(device)) as worker:
        steps: StepTimes = worker.ask(TimeSteps(repeats, device), show)
    return steps


def bench_models(
    blocks: Sequence[TimeModels], show: Callable[[Report], None]
) -> tuple[list[ModelsTimes], ModelsMemory]:
    """Times and memory of networks: a new process for the memory, and for the times of each block.

    Args:
        blocks: The same networks in each, trained with another seed.
        show: Called with what there is to tell.

    Raises:
        UsageError: The device is not there.
        SpecError: A network cannot be built, or no width meets its budget.
    """
    wanted = blocks[0]
    show(Notice("starting Keras and measuring memory"))
    with Worker(Share(wanted.device), _GIVES_MEMORY_BACK) as worker:
        trials = with_widths([network.trial for network in wanted.networks], worker, show)
        networks = zip(wanted.networks, trials, strict=True)
        matched = replace(wanted, networks=tuple(replace(n, trial=trial) for n, trial in networks))
        fitting: TimeModels = worker.ask(FitBatches(matched), show)
        fitting, memory = _measured(fitting, worker, show)
    times = []
    for index, block in enumerate([fitting, *blocks[1:]], 1):
        which = f"[{index}/{len(blocks)}] " if len(blocks) > 1 else ""
        show(Notice(f"{which}starting Keras, warming up and timing"))
        with Worker(Share(wanted.device)) as worker:
            asked = replace(block, batches=fitting.batches, step_batch=fitting.step_batch)
            times.append(worker.ask(asked, show))
    return times, memory


def _measured(
    wanted: TimeModels, worker: Worker, show: Callable[[Report], None]
) -> tuple[TimeModels, ModelsMemory]:
    """What the networks hold, with batches halved until the device has the memory for it."""
    while True:
        try:
            return wanted, worker.ask(MeasureModels(wanted), show)
        except InvolbenchError as error:
            if not _is_out_of_memory(error) or max(*wanted.batches, wanted.step_batch) == 1:
                raise
            most = max(wanted.batches)
            halved = {batch if batch < most else max(1, most // 2) for batch in wanted.batches}
            step = max(1, wanted.step_batch // 2)
            wanted = replace(wanted, batches=tuple(sorted(halved)), step_batch=step)
            sizes = ", ".join(map(str, wanted.batches))
            show(Notice(f"out of memory; trying inferences of {sizes} images, steps of {step}"))


def _is_out_of_memory(error: InvolbenchError) -> bool:
    """Whether a framework said so, or the system killed the process."""
    if isinstance(error, WorkerDied):
        return error.exit_signal == "SIGKILL"
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "exhausted", "memoryerror"))
