"""What a worker process does with a request: the one place where the light half meets Keras.

Everything of the heavy half is imported inside the functions, when a request first needs it.
"""

import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from involbench import __version__
from involbench.errors import DataError, InvolbenchError, Message, SettingError
from involbench.results.benchmarks import ExportRecord
from involbench.results.files import open_to_write, write_json
from involbench.results.gc_paused import gc_paused
from involbench.results.paths import ResultsPath
from involbench.results.record import Parameters, RunRecord, WidthMatch
from involbench.results.store import last_lines, lock_run, reusable_record
from involbench.spec.schema import DataSpec
from involbench.spec.trial import Trial
from involbench.workers.benchmark_handlers import run_benchmark
from involbench.workers.environment import recorded
from involbench.workers.protocol import (
    CheckTrials,
    CountParameters,
    ExamineBackend,
    ExamineDatasets,
    ExamineSource,
    ExportRun,
    Fault,
    InferenceRequest,
    InferenceResult,
    LoadData,
    Loaded,
    MakeKernels,
    MatchWidth,
    Notice,
    PredictFiles,
    PredictTest,
    Progress,
    Request,
    Result,
    RunTrial,
    TrainedRun,
    TrialClaimed,
    dataset_arguments,
    dataset_key,
    source_key,
)

if TYPE_CHECKING:
    from involbench.data import Dataset
    from involbench.export.verification import Deployable
    from involbench.results.arrays import ImageBatch


@contextmanager
def hide_modules(*packages: str) -> Iterator[None]:
    """Let packages seem not to be installed to those that import them only if they are there.

    For wrappers and pictures, Keras imports scikit-learn and matplotlib: a third of the time that
    its import takes with TensorFlow's.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def redirect_output(path: ResultsPath) -> Iterator[None]:
    """Send what this process and its libraries print, in C too, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        log = open_to_write(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)


def failure_record(
    request: RunTrial, error: str, started: datetime, exit_signal: str | None = None
) -> RunRecord:
    """What can be said of a trial that ended with an error.

    Args:
        request: The trial.
        error: What went wrong.
        started: When the trial was begun.
        exit_signal: What ended its process, if that is how it ended.
    """
    now = datetime.now(UTC)
    return RunRecord(
        run_id=request.run_dir.name,
        status="failed",
        error=error,
        exit_signal=exit_signal,
        log_tail=last_lines(request.run_dir / "log.txt"),
        trial=request.trial,
        argv=request.argv,
        versions={"involbench": __version__},
        hardware=None,
        git=None,
        data=None,
        started=started.isoformat(timespec="milliseconds"),
        ended=now.isoformat(timespec="milliseconds"),
        seconds=(now - started).total_seconds(),
    )


@dataclass
class InferenceHandler:
    """Looks at trained networks, and keeps the last one to export."""

    load: Callable[[DataSpec], "Dataset"]
    leaving: dict[tuple[ResultsPath, int], "Deployable"] = field(default_factory=dict)

    def look(self, request: InferenceRequest) -> InferenceResult:
        from involbench.training.inference import kernel_maps, predict_images, read_image_files

        run = request.run
        match request:
            case PredictFiles(_, files):
                pictures = read_image_files(files, run.facts, run.record.trial.data.resize)
                return predict_images(run.record, run.facts, run.weights, pictures)
            case PredictTest(_, count):
                pictures = self._tested(run, count)
                return predict_images(run.record, run.facts, run.weights, pictures)
            case MakeKernels(_, count, chosen, pixel, untrained):
                weights = None if untrained else run.weights
                pictures = self._tested(run, count, chosen)
                return kernel_maps(run.record, run.facts, weights, pictures, pixel)

    def _tested(self, run: TrainedRun, count: int, chosen: tuple[int, ...] = ()) -> "ImageBatch":
        from involbench.training.inference import choose_test_images

        with _of_the_run():
            return choose_test_images(self.load(run.record.trial.data), run.facts, count, chosen)

    def export(self, request: ExportRun) -> ExportRecord:
        from involbench.export.verification import deployable, export

        run, count = request.run, request.count
        key = run.weights, count
        if key not in self.leaving:
            self.leaving.clear()  # One at a time, in all its formats.
            with _of_the_run():
                dataset = self.load(run.record.trial.data)
                self.leaving[key] = deployable(run.record, run.facts, run.weights, dataset, count)
        return export(self.leaving[key], request.form, request.folder)


@contextmanager
def _of_the_run() -> Iterator[None]:
    """Say of a dataset that is missing, or another one by now, whose it was."""
    try:
        yield
    except DataError as error:
        said = error.message
        text = f"the run's images are not at hand: {said.text}"
        raise DataError(text, names=said.names, remedy=said.remedy) from error


def message_of(error: Exception) -> Message:
    """What to tell of an error."""
    if isinstance(error, InvolbenchError):
        return error.message
    if isinstance(error, ModuleNotFoundError):
        remedy = "install it, or choose another KERAS_BACKEND"
        return Message(f"{error.name} is not installed", remedy=remedy)
    return Message(f"{type(error).__name__}: {str(error).strip() or 'no message'}")


@dataclass
class RequestHandler:
    """Handles one request after another, and keeps the last dataset."""

    connection: Connection
    datasets: dict[DataSpec, "Dataset"] = field(default_factory=dict)
    training: bool = False
    stopping: bool = False

    def __post_init__(self) -> None:
        self.look_desk = InferenceHandler(self.load)

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
                from involbench.training.provenance import examine_backend

                return examine_backend()
            case _:
                return run_benchmark(request, self.connection)

    def load(self, data: DataSpec) -> "Dataset":
        from involbench.data import load_dataset

        source = dataset_key(data)
        if source not in self.datasets:
            self.datasets.clear()  # One at a time: a dataset may be large.
            self.datasets[source] = load_dataset(
                **dataset_arguments(source),
                notify=lambda text: self.connection.send(Notice(text)),
                progress=lambda *state: self.connection.send(Progress(*state)),
            )
        return self.datasets[source]

    def examine_data(self, request: ExamineDatasets | ExamineSource) -> Result:
        from involbench.data.diagnostics import examine_datasets, examine_source

        if isinstance(request, ExamineDatasets):
            return examine_datasets()
        return examine_source(request.data.dataset, partial(self.load, request.data))

    def check(self, trials: tuple[Trial, ...], device: str, as_run: bool) -> tuple[Fault, ...]:
        from involbench.training.provenance import require_device

        require_device(device)
        return tuple(
            Fault(place, error.key, error.reason, error.names)
            for place, trial in enumerate(trials)
            for error in self.faults(trial, as_run)
        )

    def faults(self, trial: Trial, as_run: bool) -> list[SettingError]:
        from involbench.training.fit import faults_of_build, faults_of_run

        try:
            if as_run:
                return faults_of_run(trial, self.load(trial.data))
            return faults_of_build(trial, *self.described(trial.data))
        except DataError as error:
            return [SettingError.of(source_key(trial.data), error)]

    def described(self, data: DataSpec) -> tuple[tuple[int, int, int], int]:
        """The shape of its images, and the number of classes."""
        from involbench.data import describe_dataset

        return describe_dataset(**dataset_arguments(dataset_key(data)))

    def run(self, request: RunTrial) -> RunRecord | None:
        run_dir, started = request.run_dir, datetime.now(UTC)
        with lock_run(run_dir) as owned:
            if not owned:
                return None
            known = reusable_record(run_dir, request.trial, request.since, request.force)
            if known is not None:
                return known
            self.connection.send(TrialClaimed())
            try:
                with redirect_output(run_dir / "log.txt"):
                    return self._train(request)
            except Exception as error:  # A trial that fails must not take the worker with it.
                if self.stopping:
                    raise
                record = failure_record(request, str(message_of(error)), started)
                write_json(run_dir / "run.json", record.model_dump(mode="json"))
                return record

    def _train(self, request: RunTrial) -> RunRecord:
        from involbench.training.callbacks import Stopped
        from involbench.training.inference import save_sample_images
        from involbench.training.trial import run_trial

        self.training = True
        try:
            dataset = self.load(request.trial.data)
            save_sample_images(request.run_dir.parent.parent, dataset)
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
        from involbench.models.parameters import build_without_weights, count_parameters
        from involbench.training.fit import build

        shape, classes = self.described(trial.data)
        with build_without_weights():
            return count_parameters(build(trial, shape, classes))

    def match(self, trial: Any, reference: Any) -> WidthMatch:
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
    with gc_paused(), hide_modules("sklearn", "matplotlib"):
        from involbench.training import trial  # noqa: F401
        from involbench.training.provenance import set_keras_settings

        set_keras_settings()
    gc.freeze()
