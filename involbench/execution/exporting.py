"""Exports, in a worker process that has TensorFlow, whatever backend trained."""

from collections.abc import Callable, Iterator, Sequence

from involbench.errors import InvolbenchError, UsageError
from involbench.execution.client import Worker, WorkerDied
from involbench.execution.extras import missing
from involbench.execution.look_requests import ExportRun, TrainedRun
from involbench.execution.messages import Notice, Report
from involbench.execution.shares import Share
from involbench.results.exports import EXTRAS, ExportRecord, Format
from involbench.results.paths import ResultsPath

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
    """Write a run's network in each format; see `involbench.export.exporting.export`.

    Yields:
        The record of what was written, or None and why a converter or runtime failed, or computed
        something else.

    Raises:
        UsageError: The network or its dataset cannot be used.
    """
    with Worker(Share("cpu"), ON_TENSORFLOW) as worker:
        for form in forms:
            show(Notice(f"{form}: converting, and comparing with Keras"))
            try:
                yield worker.ask(ExportRun(run, form, folder, count), show), ""
            except WorkerDied as error:
                hint = "; the run collapsed: its values are all the same" * run.record.collapsed
                yield None, f"--format {form}: its converter or runtime crashed ({error}){hint}"
            except UsageError:
                raise
            except InvolbenchError as error:
                yield None, str(error)
