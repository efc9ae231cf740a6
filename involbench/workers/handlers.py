"""What a worker does with each request: only handlers call code that imports Keras.

A handler is a function of a Session and of typed arguments. `Worker.call` runs it in the worker.
Frameworks are imported inside the functions, when a request first needs them.
"""

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from involbench import __version__
from involbench.errors import DataError, SettingError, UsageError
from involbench.plugins import Plugins, load_plugins
from involbench.results.arrays import ImageBatch
from involbench.results.benchmarks import ExportRecord, Format, Machine
from involbench.results.checks import Check
from involbench.results.files import open_to_write, write_json
from involbench.results.parallel import gc_paused
from involbench.results.paths import ResultsPath
from involbench.results.record import Parameters, Probe, RunRecord, WidthMatch
from involbench.results.store import last_lines, lock_run, reusable_record
from involbench.spec.data import DataSpec
from involbench.spec.trial import Trial
from involbench.text import located
from involbench.workers.environment import recorded
from involbench.workers.protocol import (
    Done,
    Failure,
    Loaded,
    Notice,
    Progress,
    Report,
    Request,
    TrainedRun,
    TrialClaimed,
    TrialRequest,
    dataset_key,
    known_error,
    source_key,
)

if TYPE_CHECKING:
    from involbench.data import Dataset
    from involbench.export.verification import Deployable
    from involbench.results.checks import OperatorCheck
    from involbench.training.inference import NetworkInspector


@contextmanager
def hide_modules(*packages: str) -> Iterator[None]:
    """Make packages seem not to be installed.

    Keras imports scikit-learn, matplotlib and pandas, if they are installed, for what no worker
    does. This takes a third of the time of importing Keras and TensorFlow.
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
    request: TrialRequest, error: str, started: datetime, exit_signal: str | None = None
) -> RunRecord:
    """The record of a trial that ended with an error, or whose process ended with a signal."""
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
class Session:
    """What a worker keeps between requests."""

    report: Callable[[Report], None]
    training: bool = False
    stopping: bool = False
    """A training ends after its current step and saves its state."""
    _datasets: dict[DataSpec, "Dataset"] = field(default_factory=dict)
    _deployables: dict[tuple[ResultsPath, int], "Deployable"] = field(default_factory=dict)
    _inspectors: dict[tuple[ResultsPath, bool], "NetworkInspector"] = field(default_factory=dict)

    def load(self, data: DataSpec) -> "Dataset":
        """The dataset; only the last one is kept, because it may be large."""
        from involbench.data import load_dataset

        source = dataset_key(data)
        if source not in self._datasets:
            self._datasets.clear()
            self._datasets[source] = load_dataset(
                **source.source,
                notify=lambda text: self.report(Notice(text)),
                progress=lambda *state: self.report(Progress(*state)),
            )
        return self._datasets[source]

    def test_images(self, run: TrainedRun, count: int, chosen: tuple[int, ...] = ()) -> ImageBatch:
        """The first test images of a run, or the chosen ones."""
        from involbench.training.inference import choose_test_images

        with _of_the_run():
            return choose_test_images(self.load(run.record.trial.data), run.facts, count, chosen)

    def inspector(self, run: TrainedRun, untrained: bool = False) -> "NetworkInspector":
        """The network of a run, or as it was before training; all are kept."""
        from involbench.training.inference import NetworkInspector

        key = run.weights, untrained
        if key not in self._inspectors:
            weights = None if untrained else run.weights
            self._inspectors[key] = NetworkInspector(run.record, run.facts, weights)
        return self._inspectors[key]

    def deployable(self, run: TrainedRun, count: int) -> "Deployable":
        """The network to export; the last one is kept for its next format."""
        from involbench.export.verification import deployable

        key = run.weights, count
        if key not in self._deployables:
            self._deployables.clear()
            with _of_the_run():
                dataset = self.load(run.record.trial.data)
                self._deployables[key] = deployable(
                    run.record, run.facts, run.weights, dataset, count
                )
        return self._deployables[key]


@contextmanager
def _of_the_run() -> Iterator[None]:
    """Where a dataset is missing or has changed, let the error say that a run needs it."""
    try:
        yield
    except DataError as error:
        message = error.message
        text = f"cannot load the images of the run: {message.text}"
        raise DataError(text, names=message.names, remedy=message.remedy) from error


def load_data(session: Session, data: DataSpec) -> Loaded:
    """Load a dataset."""
    dataset = session.load(data)
    return Loaded(dataset.fingerprint, len(dataset.y_train), dataset.remarks)


def check_trials(
    session: Session, trials: Sequence[Trial], device: str, as_run: bool = True
) -> tuple[tuple[int, SettingError], ...]:
    """Build the models and optimizers of the trials; returns all errors, by index of the trial.

    With `as_run`, also load the images and look for the devices, as a run does.
    """
    from involbench.training.provenance import require_device

    require_device(device)
    return tuple(
        (index, error)
        for index, trial in enumerate(trials)
        for error in _faults(session, trial, as_run)
    )


def _faults(session: Session, trial: Trial, as_run: bool) -> list[SettingError]:
    from involbench.training.fit import faults_of_build, faults_of_run

    try:
        if as_run:
            return faults_of_run(trial, session.load(trial.data))
        return faults_of_build(trial, *described(trial.data))
    except DataError as error:
        return [SettingError.of(source_key(trial.data), error)]


def described(data: DataSpec) -> tuple[tuple[int, int, int], int]:
    """The shape of the images, and the number of classes."""
    from involbench.data import describe_dataset

    return describe_dataset(**data.source)


def import_plugins(session: Session, wanted: Plugins) -> None:
    """Import the user's code that the runner has imported; the first request of a worker."""
    load_plugins(wanted)


def check_operator(
    session: Session, name: str, arguments: Mapping[str, Any]
) -> "tuple[OperatorCheck, ...]":
    """Try what a run needs of an operator."""
    from involbench.operators import checks
    from involbench.registry import operators
    from involbench.spec.load import adhoc_trial

    # What a spec would say to the name and the arguments.
    adhoc_trial(json.dumps({"architecture": "plain", "operator": {"name": name, **arguments}}))
    for key, fault in operators()[name].check(arguments, [checks.CHANNELS]).items():
        raise UsageError(f"{key}: {fault}")
    return checks.check_operator(name, arguments, lambda *at: session.report(Progress(*at)))


def run_trial(session: Session, request: TrialRequest) -> RunRecord | None:
    """Train and test; None while another process owns the run."""
    run_dir, started = request.run_dir, datetime.now(UTC)
    with lock_run(run_dir) as owned:
        if not owned:
            return None
        known = reusable_record(run_dir, request.trial, request.since, request.force)
        if known is not None:
            return known
        session.report(TrialClaimed())
        try:
            with redirect_output(run_dir / "log.txt"):
                return _train(session, request)
        except Exception as error:  # A trial that fails must not take the worker with it.
            if session.stopping:
                raise
            record = failure_record(request, str(known_error(error)), started)
            write_json(run_dir / "run.json", record.model_dump(mode="json"))
            return record


def _train(session: Session, request: TrialRequest) -> RunRecord:
    from involbench.training.callbacks import Stopped
    from involbench.training.inference import save_sample_images
    from involbench.training.trial import run_trial

    # `sys.__stderr__` goes into the log of the run, also where `sys.stderr` is a notebook.
    session.training = True
    try:
        dataset = session.load(request.trial.data)
        save_sample_images(request.run_dir.parent.parent, dataset)
        return run_trial(
            request.trial,
            dataset,
            request.run_dir,
            request.argv,
            on_epoch=session.report,
            stop=lambda: session.stopping,
            environment=recorded(os.environ),
            on_probe=partial(_warn_of_constant_layers, session, request.trial),
            reuse=() if request.force else request.reuse,
            notify=lambda text: session.report(Notice(f"{request.run_dir.name}: {text}")),
        )
    except Stopped:
        print("stopped before it was finished", file=sys.__stderr__, flush=True)
        raise
    except Exception:
        traceback.print_exc(file=sys.__stderr__)  # The record gets the message.
        raise
    finally:
        session.training = False


def _warn_of_constant_layers(session: Session, trial: Trial, probed: Probe) -> None:
    if probed.layers:
        network = f"{located(trial.model, trial.point)}, seed {trial.seed}"
        end = f": {probed.outlook}" if probed.blind else ""
        session.report(Notice(f"warning: {network}, before training: {probed.finding}{end}"))


def count_parameters(session: Session, trials: Sequence[Trial]) -> tuple[Parameters, ...]:
    """Build the models, and count their parameters and MACs."""
    from involbench.models.parameters import build_without_weights, count_parameters
    from involbench.training.fit import build

    with build_without_weights():
        return tuple(count_parameters(build(trial, *described(trial.data))) for trial in trials)


def match_width(session: Session, trial: Trial, reference: Trial) -> WidthMatch:
    """Find the width that gives a model the size of another."""
    from involbench.training.match_width import match_width

    try:
        return match_width(trial, reference, *described(trial.data))
    except DataError as error:
        raise SettingError.of(source_key(trial.data), error) from error


def export_run(
    session: Session, run: TrainedRun, form: Format, folder: ResultsPath, count: int
) -> ExportRecord:
    """Write the network of the run in another format, compared with Keras on `count` images."""
    from involbench.export.verification import export

    return export(session.deployable(run, count), form, folder)


def examine_backend(session: Session) -> tuple[tuple[Check, ...], Machine]:
    """Check the device and the operator."""
    from involbench.training.provenance import examine_backend

    return examine_backend()


def examine_datasets(session: Session) -> tuple[Check, ...]:
    """Check which of the built-in datasets are on this machine."""
    from involbench.data.diagnostics import examine_datasets

    return examine_datasets()


def examine_source(session: Session, data: DataSpec) -> tuple[Check, ...]:
    """Load a dataset, unless that would download it; the first check is about the dataset."""
    from involbench.data.diagnostics import examine_source

    return examine_source(data.dataset, partial(session.load, data))


_WITHOUT_KERAS = (load_data, examine_datasets, examine_source)


def respond(session: Session, request: Request) -> Done | Failure:
    """Call the handler of a request."""
    try:
        if request.handler not in _WITHOUT_KERAS:
            _import_heavy_half()
        return Done(request.handler(session, *request.arguments, **request.options))
    except Exception as error:
        return Failure(known_error(error), traceback.format_exc())


@cache
def _import_heavy_half() -> None:
    """Import what training needs, and exclude it from garbage collection.

    The frameworks create hundreds of thousands of objects that stay until the process ends. To scan
    them again and again takes a third of the time of their import, and a fifth of the time of a
    small training.
    """
    with gc_paused(), hide_modules("matplotlib", "pandas", "sklearn"):
        from involbench.training import trial  # noqa: F401
        from involbench.training.provenance import set_keras_settings

        set_keras_settings()
    gc.freeze()
