"""Run benchmarks and exports in separate worker processes."""

import tempfile
from collections.abc import Iterator, Sequence
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
from involbench.workers.environment import CORES, WorkerResources
from involbench.workers.handlers import export_run
from involbench.workers.local import WorkerDied, WorkerProtocol, start_worker
from involbench.workers.protocol import ModelBenchmark, Notice, Show, TrainedRun

ON_TENSORFLOW = {"KERAS_BACKEND": "tensorflow"}
"""Keras reads the weights of every backend, and exports best from this one."""


def missing_for(form: Format) -> str | None:
    """The message about missing packages of a format; None if they are installed."""
    return missing(EXTRAS.get(form, ""), "tensorflow")


def export_formats(
    run: TrainedRun,
    forms: Sequence[Format],
    folder: ResultsPath,
    count: int,
    show: Show,
) -> Iterator[tuple[ExportRecord | None, str]]:
    """Write the network of a run in each format; see `involbench.export.verification.export`.

    Yields the record of each export; or None, and why the converter or runtime failed.

    Raises:
        UsageError: The network or its dataset can't be used.
    """
    with start_worker(WorkerResources("cpu"), ON_TENSORFLOW) as worker:
        for form in forms:
            show(Notice(f"{form}: converting and comparing with Keras"))
            try:
                yield worker.call(export_run, show, run, form, folder, count), ""
            except WorkerDied as error:
                hint = "; the run collapsed, so all its outputs are the same" * run.record.collapsed
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
    show: Show,
) -> MeasuredExports:
    """Export networks in each format, and time them side by side with each number of threads.

    Each export is compared with Keras on `count` test images.

    Raises:
        UsageError: A network or its dataset can't be used.
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
    show: Show,
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


def _timed(exports: tuple[Exported, ...], threads: int, repeats: int, show: Show) -> ExportTimes:
    show(Notice(f"timing with {threads} thread{'' if threads == 1 else 's'}"))
    environment = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": "1"}
    resources = WorkerResources("cpu", CORES[:threads])
    with start_worker(resources, {**ON_TENSORFLOW, **environment}) as worker:
        return worker.call(time_exports, show, exports, threads, repeats)


_RELEASE_MEMORY = {
    "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1",
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072",
}
"""Without these, TensorFlow and the C library keep freed memory, and the next call seems to need
little."""


def bench_operator(
    shapes: Sequence[OperatorShape], repeats: int, device: str, show: Show
) -> list[tuple[OperatorTimes, OperatorMemory]]:
    """Times and memory at each shape; each shape is timed in a new process.

    Raises:
        UsageError: The device does not exist, or a shape doesn't fit in memory.
        InvolbenchError: The results of the implementations differ.
    """
    names = [f"[{index}/{len(shapes)}] {shape}" for index, shape in enumerate(shapes, start=1)]
    memory, times = [], []
    # First: a shape that doesn't fit in memory is refused before minutes of timing.
    with start_worker(WorkerResources(device), _RELEASE_MEMORY) as worker:
        for name, shape in zip(names, shapes, strict=True):
            show(Notice(f"{name}: measuring memory"))
            memory.append(worker.call(measure_operator, show, shape, device))
    for name, shape in zip(names, shapes, strict=True):
        show(Notice(f"{name}: starting Keras, compiling and timing"))
        with start_worker(WorkerResources(device)) as worker:
            times.append(worker.call(time_operator, show, shape, repeats, device))
    return list(zip(times, memory, strict=True))


def bench_step(repeats: int, device: str, show: Show) -> StepTimes:
    """Training steps of the keras.io INN with the published layer, with ours, and of its control.

    Raises:
        UsageError: The device does not exist.
        InvolbenchError: The losses of the networks differ before any training.
    """
    show(Notice("starting Keras and building the networks"))
    with start_worker(WorkerResources(device)) as worker:
        return worker.call(time_steps, show, repeats, device)


def bench_models(
    blocks: Sequence[ModelBenchmark], show: Show
) -> tuple[list[ModelsTimes], ModelsMemory]:
    """Times and memory of networks; the memory and each block are measured in a new process.

    The blocks have the same networks, each with another seed.

    Raises:
        UsageError: The device does not exist.
        SpecError: A network can't be built, or no width is near its budget.
    """
    request = blocks[0]
    show(Notice("starting Keras and measuring memory"))
    with start_worker(WorkerResources(request.device), _RELEASE_MEMORY) as worker:
        trials = resolve_width_matches(
            [network.trial for network in request.networks], worker, show
        )
        networks = zip(request.networks, trials, strict=True)
        matched = replace(request, networks=tuple(replace(n, trial=trial) for n, trial in networks))
        fitting = worker.call(fit_batches, show, matched)
        fitting, memory = _with_memory(fitting, worker, show)
    times = []
    for index, block in enumerate([fitting, *blocks[1:]], 1):
        which = f"[{index}/{len(blocks)}] " if len(blocks) > 1 else ""
        show(Notice(f"{which}starting Keras, warming up and timing"))
        with start_worker(WorkerResources(request.device)) as worker:
            fitted = replace(block, batches=fitting.batches, step_batch=fitting.step_batch)
            times.append(worker.call(time_models, show, fitted))
    return times, memory


def _with_memory(
    request: ModelBenchmark, worker: WorkerProtocol, show: Show
) -> tuple[ModelBenchmark, ModelsMemory]:
    """The memory of the networks. Batches are halved until they fit in the memory of the device."""
    while True:
        try:
            return request, worker.call(measure_models, show, request)
        except InvolbenchError as error:
            if not _is_out_of_memory(error) or max(*request.batches, request.step_batch) == 1:
                raise
            most = max(request.batches)
            halved = {batch if batch < most else max(1, most // 2) for batch in request.batches}
            step = max(1, request.step_batch // 2)
            request = replace(request, batches=tuple(sorted(halved)), step_batch=step)
            sizes = ", ".join(map(str, request.batches))
            show(Notice(f"out of memory; trying inferences of {sizes} images, steps of {step}"))


def _is_out_of_memory(error: InvolbenchError) -> bool:
    """Whether a framework reported it, or the system killed the process."""
    if isinstance(error, WorkerDied):
        return error.exit_signal == "SIGKILL"
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "exhausted", "memoryerror"))
