"""Benchmarks of exported networks: exported in one process, timed in others."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from involbench.errors import InvolbenchError
from involbench.execution.bench_requests import TimeExports
from involbench.execution.client import Worker
from involbench.execution.exporting import ON_TENSORFLOW, export_formats
from involbench.execution.look_requests import TrainedRun
from involbench.execution.messages import Notice, Report
from involbench.execution.shares import CORES, Share
from involbench.results.exports import (
    Exported,
    ExportTimes,
    Format,
    MeasuredExport,
    MeasuredExports,
)
from involbench.results.paths import ResultsPath

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
    share = Share("cpu", CORES[:threads])
    with Worker(share, {**ON_TENSORFLOW, **wanted}) as worker:
        times: ExportTimes = worker.ask(TimeExports(exports, threads, repeats), show)
    return times
