"""Benchmarks and exports in worker processes of their own."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from involbench.errors import InvolbenchError, UsageError
from involbench.optional_dependencies import missing
from involbench.results.benchmarks import (
    EXTRAS,
    Exported,
    ExportRecord,
    ExportTimes,
    Format,
    MeasuredExport,
    MeasuredExports,
    ModelsMemory,
    ModelsTimes,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    StepTimes,
)
from involbench.results.paths import ResultsPath
from involbench.runner.plan import resolve_width_matches
from involbench.workers.benchmark_handlers import (
    fit_batches,
    measure_models,
    measure_operator,
    time_exports,
    time_models,
    time_operator,
    time_steps,
)
from involbench.workers.handlers import export_run
from involbench.workers.local import WorkerDied, WorkerProtocol, start_worker
from involbench.workers.protocol import ModelBenchmark, Notice, Report, TrainedRun
from involbench.workers.resources import CORES, WorkerResources

ON_TENSORFLOW = {"KERAS_BACKEND": "tensorflow"}
"""Keras reads the weights of every backend, and exports best from this one."""


def missing_for(form: Format) -> str | None:
    """What to say where a format's packages are not installed; None where they are."""
    return missing(EXTRAS.get(form, ""), "tensorflow")


def export_formats(
    run: TrainedRun,
    forms: Sequence[Format],
    folder: ResultsPath,
    count: int,
    show: Callable[[Report], None],
) -> Iterator[tuple[ExportRecord | None, str]]:
    """Write a run's network in each format; see `involbench.export.verification.export`.

    Yields:
        The record of what was written, or None and why a converter or runtime failed, or computed
        something else.

    Raises:
        UsageError: The network or its dataset cannot be used.
    """
    with start_worker(WorkerResources("cpu"), ON_TENSORFLOW) as worker:
        for form in forms:
            show(Notice(f"{form}: converting, and comparing with Keras"))
            try:
                yield worker.call(export_run, show, run, form, folder, count), ""
            except WorkerDied as error:
                hint = "; the run collapsed: its values are all the same" * run.record.collapsed
                yield None, f"--format {form}: its converter or runtime crashed ({error}){hint}"
            except UsageError:
                raise
            except InvolbenchError as error:
                yield None, str(error)


Named = tuple[str, TrainedRun]


def bench_exports(
    runs: Sequence[Named],
    forms: Sequence[Format],
    threads: Sequence[int],
    repeats: int,
    count: int,
    show: Callable[[Report], None],
) -> MeasuredExports:
    """Export networks in each format, and time them side by side.

    Args:
        runs: The networks, each with the name that it has in the result.
        forms: The formats.
        threads: The numbers of threads that the runtimes have.
        repeats: How often each is timed.
        count: Test images on which each export is held against Keras.
        show: Called with what there is to tell.

    Raises:
        UsageError: A network or its dataset cannot be used.
        InvolbenchError: Nothing could be exported.
    """
    with tempfile.TemporaryDirectory() as folder:
        made, failures = _exported(runs, forms, ResultsPath(Path(folder)), count, show)
        if not made:
            raise InvolbenchError("; ".join(failures))
        exports = tuple(export for _, export in made)
        times = {n: _timed(exports, n, repeats, show) for n in threads}
    return MeasuredExports(
        exports=tuple(
            MeasuredExport(
                network=name,
                record=export.record,
                seconds={n: each.seconds[index] for n, each in times.items()},
            )
            for index, (name, export) in enumerate(made)
        ),
        failures=tuple(failures),
        machine=times[threads[-1]].machine,
    )


def _exported(
    runs: Sequence[Named],
    forms: Sequence[Format],
    folder: ResultsPath,
    count: int,
    show: Callable[[Report], None],
) -> tuple[list[tuple[str, Exported]], list[str]]:
    made, failures = list[tuple[str, Exported]](), list[str]()
    for name, run in runs:
        show(Notice(f"{name}: exporting"))
        place = folder / run.record.run_id
        for record, failure in export_formats(run, forms, place, count, show):
            if record is None:
                failures.append(f"{name}: {failure}")
                show(Notice(f"warning: {failures[-1]}; left out"))
            else:
                made.append((name, Exported(record, place)))
    return made, failures


def _timed(
    exports: tuple[Exported, ...], threads: int, repeats: int, show: Callable[[Report], None]
) -> ExportTimes:
    show(Notice(f"timing with {threads} thread{'' if threads == 1 else 's'}"))
    wanted = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": "1"}
    share = WorkerResources("cpu", CORES[:threads])
    with start_worker(share, {**ON_TENSORFLOW, **wanted}) as worker:
        return worker.call(time_exports, show, exports, threads, repeats)


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
    with start_worker(WorkerResources(device), _GIVES_MEMORY_BACK) as worker:
        for name, shape in zip(names, shapes, strict=True):
            show(Notice(f"{name}: measuring memory"))
            memory.append(worker.call(measure_operator, show, shape, device))
    for name, shape in zip(names, shapes, strict=True):
        show(Notice(f"{name}: starting Keras, compiling and timing"))
        with start_worker(WorkerResources(device)) as worker:
            times.append(worker.call(time_operator, show, shape, repeats, device))
    return list(zip(times, memory, strict=True))


def bench_step(repeats: int, device: str, show: Callable[[Report], None]) -> StepTimes:
    """Training steps of the keras.io INN on the published layer, on ours, and of its control.

    Raises:
        UsageError: The device is not there.
        InvolbenchError: The networks' losses differ before any training.
    """
    show(Notice("starting Keras and building the networks"))
    with start_worker(WorkerResources(device)) as worker:
        return worker.call(time_steps, show, repeats, device)


def bench_models(
    blocks: Sequence[ModelBenchmark], show: Callable[[Report], None]
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
    with start_worker(WorkerResources(wanted.device), _GIVES_MEMORY_BACK) as worker:
        trials = resolve_width_matches([network.trial for network in wanted.networks], worker, show)
        networks = zip(wanted.networks, trials, strict=True)
        matched = replace(wanted, networks=tuple(replace(n, trial=trial) for n, trial in networks))
        fitting = worker.call(fit_batches, show, matched)
        fitting, memory = _measured(fitting, worker, show)
    times = []
    for index, block in enumerate([fitting, *blocks[1:]], 1):
        which = f"[{index}/{len(blocks)}] " if len(blocks) > 1 else ""
        show(Notice(f"{which}starting Keras, warming up and timing"))
        with start_worker(WorkerResources(wanted.device)) as worker:
            fitted = replace(block, batches=fitting.batches, step_batch=fitting.step_batch)
            times.append(worker.call(time_models, show, fitted))
    return times, memory


def _measured(
    wanted: ModelBenchmark, worker: WorkerProtocol, show: Callable[[Report], None]
) -> tuple[ModelBenchmark, ModelsMemory]:
    """What the networks hold, with batches halved until the device has the memory for it."""
    while True:
        try:
            return wanted, worker.call(measure_models, show, wanted)
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
