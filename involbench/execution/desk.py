"""What a worker process does with a request: the one place where the light half meets Keras.

Everything of the heavy half is imported inside the functions, when a request first needs it.
"""

import gc
import os
import sys
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from involbench.errors import DataError, InvolbenchError, Message, SettingError
from involbench.execution.ambient import recorded
from involbench.execution.bench_desk import run_benchmark
from involbench.execution.failure import failed
from involbench.execution.look_desk import LookDesk
from involbench.execution.look_requests import ExportRun, MakeKernels, PredictFiles, PredictTest
from involbench.execution.messages import Began, Notice, Progress, Request, Result
from involbench.execution.output import output_to
from involbench.execution.requests import (
    CheckTrials,
    CountParameters,
    ExamineBackend,
    ExamineDatasets,
    ExamineSource,
    Fault,
    LoadData,
    Loaded,
    MatchWidth,
    RunTrial,
)
from involbench.execution.sources import arguments_of, source_key, source_of
from involbench.execution.sparing import without
from involbench.results.budget import Matched
from involbench.results.files import write_json
from involbench.results.lasting import lasting
from involbench.results.record import Parameters, RunRecord
from involbench.results.store import own, result_at_hand
from involbench.spec.data import DataSpec
from involbench.spec.trial import Trial

if TYPE_CHECKING:
    from involbench.data import Dataset


def message_of(error: Exception) -> Message:
    """What to tell of an error."""
    if isinstance(error, InvolbenchError):
        return error.message
    if isinstance(error, ModuleNotFoundError):
        remedy = "install it, or choose another KERAS_BACKEND"
        return Message(f"{error.name} is not installed", remedy=remedy)
    return Message(f"{type(error).__name__}: {str(error).strip() or 'no message'}")


@dataclass
class Desk:
    """Handles one request after another, and keeps the last dataset."""

    connection: Connection
    datasets: dict[DataSpec, "Dataset"] = field(default_factory=dict)
    training: bool = False
    stopping: bool = False

    def __post_init__(self) -> None:
        self.look_desk = LookDesk(self.load)

    def asked_to_stop(self, *_: object) -> None:
        """End a training after its step, with its state saved; else end at once."""
        self.stopping = True
        if not self.training:
            os._exit(1)

    def handle(self, request: Request) -> Result:
        if isinstance(request, LoadData):
            dataset = self.load(request.data)
            return Loaded(dataset.fingerprint, len(dataset.y_train), dataset.remarks)
        if isinstance(request, ExamineDatasets | ExamineSource):
            return self.examine_data(request)
        _import_heavy_half()
        match request:
            case CheckTrials(trials, device, as_run):
                return self.check(trials, device, as_run)
            case RunTrial():
                return self.run(request)
            case CountParameters(trials):
                return tuple(self.parameters(trial) for trial in trials)
            case MatchWidth(trial, reference):
                return self.match(trial, reference)
            case PredictFiles() | PredictTest() | MakeKernels():
                return self.look_desk.look(request)
            case ExportRun():
                return self.look_desk.export(request)
            case ExamineBackend():
                from involbench.training.examination import examine_backend

                return examine_backend()
            case _:
                return run_benchmark(request, self.connection)

    def load(self, data: DataSpec) -> "Dataset":
        from involbench.data import load_dataset

        source = source_of(data)
        if source not in self.datasets:
            self.datasets.clear()  # One at a time: a dataset may be large.
            self.datasets[source] = load_dataset(
                **arguments_of(source),
                notify=lambda text: self.connection.send(Notice(text)),
                progress=lambda *state: self.connection.send(Progress(*state)),
            )
        return self.datasets[source]

    def examine_data(self, request: ExamineDatasets | ExamineSource) -> Result:
        from involbench.data.examination import examine_datasets, examine_source

        if isinstance(request, ExamineDatasets):
            return examine_datasets()
        return examine_source(request.data.dataset, partial(self.load, request.data))

    def check(self, trials: tuple[Trial, ...], device: str, as_run: bool) -> tuple[Fault, ...]:
        from involbench.training.device import require_device

        require_device(device)
        return tuple(
            Fault(place, error.key, error.reason, error.names)
            for place, trial in enumerate(trials)
            for error in self.faults(trial, as_run)
        )

    def faults(self, trial: Trial, as_run: bool) -> list[SettingError]:
        from involbench.training.preflight import faults_of_build, faults_of_run

        try:
            if as_run:
                return faults_of_run(trial, self.load(trial.data))
            return faults_of_build(trial, *self.described(trial.data))
        except DataError as error:
            return [SettingError.of(source_key(trial.data), error)]

    def described(self, data: DataSpec) -> tuple[tuple[int, int, int], int]:
        """The shape of its images, and the number of classes."""
        from involbench.data import describe_dataset

        return describe_dataset(**arguments_of(source_of(data)))

    def run(self, request: RunTrial) -> RunRecord | None:
        run_dir, started = request.run_dir, datetime.now(UTC)
        with own(run_dir) as owned:
            if not owned:
                return None
            known = result_at_hand(run_dir, request.trial, request.since, request.force)
            if known is not None:
                return known
            self.connection.send(Began())
            try:
                with output_to(run_dir / "log.txt"):
                    return self._train(request)
            except Exception as error:  # A trial that fails must not take the worker with it.
                if self.stopping:
                    raise
                record = failed(request, str(message_of(error)), started)
                write_json(run_dir / "run.json", record.model_dump(mode="json"))
                return record

    def _train(self, request: RunTrial) -> RunRecord:
        from involbench.training.checkpointer import Stopped
        from involbench.training.pictures import keep_pictures
        from involbench.training.trial import run_trial

        self.training = True
        try:
            dataset = self.load(request.trial.data)
            keep_pictures(request.run_dir.parent.parent, dataset)
            return run_trial(
                request.trial,
                dataset,
                request.run_dir,
                request.argv,
                on_epoch=self.connection.send,
                stop=lambda: self.stopping,
                environment=recorded(os.environ),
            )
        except Stopped:
            sys.stderr.write("stopped before it was finished\n")  # Into the run's log.
            raise
        except Exception:
            traceback.print_exc()  # The record gets the message.
            raise
        finally:
            self.training = False

    def parameters(self, trial: Any) -> Parameters:
        from involbench.profiling import count_parameters, only_outlines
        from involbench.training.fit import build

        shape, classes = self.described(trial.data)
        with only_outlines():
            return count_parameters(build(trial, shape, classes))

    def match(self, trial: Any, reference: Any) -> Matched:
        from involbench.training.match import match_width

        try:
            return match_width(trial, reference, *self.described(trial.data))
        except DataError as error:
            raise SettingError.of(source_key(trial.data), error) from error


@cache
def _import_heavy_half() -> None:
    """Import what training needs, and keep the garbage collector away from it.

    The frameworks bring hundreds of thousands of objects that stay until the process ends. Looking
    through them over and over takes a third of the time of their import, and a fifth of that of a
    small training.
    """
    with lasting(), without("sklearn", "matplotlib"):
        from involbench.training import trial  # noqa: F401
        from involbench.training.keras_settings import set_keras_settings

        set_keras_settings()
    gc.freeze()
