"""Exports, in a worker process that has TensorFlow, whatever backend trained."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from involbench.errors import InvolbenchError
from involbench.execution.client import Worker, WorkerDied
from involbench.execution.messages import ExportRun, Notice, Report, TrainedRun
from involbench.execution.shares import Share
from involbench.results.exports import ExportRecord, Format

ON_TENSORFLOW = {"KERAS_BACKEND": "tensorflow"}
"""Keras reads the weights of every backend, and exports best from this one."""


def export_formats(
    run: TrainedRun,
    forms: Sequence[Format],
    folder: Path,
    count: int,
    show: Callable[[Report], None],
) -> Iterator[ExportRecord]:
    """Write a run's network in each format; see `involbench.export.exporting.export_run`.

    Raises:
        UsageError: A package is missing, or the network or its dataset cannot be used.
        InvolbenchError: A converter or a runtime fails, or computes something else.
    """
    with Worker(Share("cpu"), ON_TENSORFLOW) as worker:
        for form in forms:
            show(Notice(f"{form}: converting, and comparing with Keras"))
            try:
                yield worker.ask(ExportRun(run, form, folder, count), show)
            except WorkerDied as error:
                hint = "; the run collapsed: its values are all the same" * run.record.collapsed
                raise InvolbenchError(
                    f"--format {form}: its converter or runtime crashed ({error}){hint}"
                ) from error
