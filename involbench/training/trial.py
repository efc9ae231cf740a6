"""One trial -> one run folder."""

import csv
import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.data import Dataset
from involbench.data.dataset import SHARED
from involbench.errors import ResultsError
from involbench.models.parameters import count_parameters
from involbench.results.arrays import write_arrays, write_kernel_maps
from involbench.results.files import copy_in, remove, write_atomic, write_json
from involbench.results.paths import ResultsPath
from involbench.results.record import (
    HELPS,
    INPUT_WAIT,
    DataFacts,
    EpochReport,
    History,
    Parameters,
    RunRecord,
    too_much,
)
from involbench.results.store import write_trial
from involbench.spec.trial import Trial
from involbench.statistics.classification import never_left_chance
from involbench.training import provenance
from involbench.training.checkpoint import Checkpoints
from involbench.training.evaluate import Predictions, predict, scores, under_conditions
from involbench.training.fit import FitResult, TrainResult, train
from involbench.training.inference import maps_of, tested_pictures
from involbench.training.prefetch import EvaluationBatches
from involbench.training.split import TrialData


def strict(
    values: Mapping[str, list[float]], what: str
) -> tuple[dict[str, list[float | None]], tuple[str, ...]]:
    """The values as strict JSON can hold them, and a note for each name that lost some."""
    clean: dict[str, list[float | None]] = {
        name: [value if math.isfinite(value) else None for value in row]
        for name, row in values.items()
    }
    notes = tuple(
        f"{what}.{name}: {row.count(None)} of {len(row)} values were not finite, written as null"
        for name, row in clean.items()
        if None in row
    )
    return clean, notes


def write_history(run_dir: ResultsPath, history: History) -> None:
    """Write history.json and history.csv, a row an epoch."""
    write_json(run_dir / "history.json", history)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history])
    rows = zip(*history.values(), strict=True)
    writer.writerows([epoch, *row] for epoch, row in enumerate(rows, start=1))
    write_atomic(run_dir / "history.csv", text.getvalue().encode())


def write_parameters(run_dir: ResultsPath, parameters: Parameters) -> None:
    """Write parameters.json."""
    write_json(run_dir / "parameters.json", parameters.model_dump(mode="json"))


def write_predictions(run_dir: ResultsPath, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write predictions.npz."""
    write_arrays(run_dir / "predictions.npz", arrays)


def write_model(run_dir: ResultsPath, model: keras.Model) -> None:
    """Write model.keras: architecture, weights and optimizer."""
    path = run_dir / "model.keras"
    # Keras writes to a path, which in the run's folder could be anyone's.
    with tempfile.TemporaryDirectory(prefix="involbench-") as folder:
        temporary = Path(folder, path.name)
        try:
            model.save(temporary)
        except OSError as error:
            raise ResultsError(f"cannot write {temporary}: {error.strerror or error}") from error
        copy_in(temporary, path)


def sizes(run_dir: ResultsPath) -> dict[str, int]:
    """The size of each file that a run leaves, in bytes, by which a damaged one is known."""
    names = ("history.json", "history.csv", "parameters.json", "predictions.npz", "model.keras")
    paths = [run_dir / name for name in names]
    return {path.name: path.status().st_size for path in paths if path.exists()}


def write_record(run_dir: ResultsPath, record: RunRecord) -> None:
    """Write run.json; from then on the run counts as what its status says."""
    write_json(run_dir / "run.json", record.model_dump(mode="json"))


_KERNELS_SHOWN = 6


def run_trial(
    trial: Trial,
    dataset: Dataset,
    run_dir: ResultsPath,
    argv: tuple[str, ...],
    on_epoch: Callable[[EpochReport], None],
    stop: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
) -> RunRecord:
    """Train and test one model, from its last checkpoint on, and write its run folder.

    Args:
        trial: What to do.
        dataset: The images that `trial.data` names.
        run_dir: An existing folder; files of the same names are replaced, run.json last.
        argv: The command line, for the record.
        on_epoch: Called after each epoch.
        stop: Whether to stop; asked after each step of the training.
        environment: Variables that can change last digits, for the record.

    Returns:
        The record, with status `finished`, `diverged` or `timeout`.

    Raises:
        Stopped: It was asked to stop; running it again goes on from there.
        UsageError: The trial does not fit the data or the libraries.
        ResultsError: The folder cannot be written.
    """
    started, began, warnings = _now(), time.perf_counter(), list[str]()
    checkpoints = Checkpoints(run_dir / "checkpoint", warnings.append)
    write_trial(run_dir, trial)
    remove(run_dir / "run.json")  # What it said is true no longer.
    trained = train(trial, dataset, checkpoints, on_epoch, stop)
    fitted, facts = trained.fitted, _facts(dataset, trained.data)
    history, notes = strict(fitted.history, "history")
    write_history(run_dir, history)
    write_parameters(run_dir, count_parameters(trained.model))
    metrics: dict[str, float | None] = {}
    if fitted.ended == "finished":
        metrics, more_notes = _tested(trained, trial, history, run_dir)
        notes += more_notes
        _keep_kernels(run_dir, trained.model, facts, dataset)
    record = RunRecord(
        run_id=trial.run_id(dataset.fingerprint),
        status=fitted.ended,
        error=fitted.why,
        trial=trial,
        argv=argv,
        versions=provenance.versions(),
        hardware=provenance.hardware(trained.devices),
        git=provenance.git_state(),
        data=facts,
        started=started,
        ended=_now(),
        seconds=time.perf_counter() - began + (fitted.resumed.seconds if fitted.resumed else 0),
        metrics=metrics,
        collapsed=fitted.ended == "finished" and _collapsed(history, trained.data),
        files=sizes(run_dir),
        environment=None if environment is None else dict(environment),
        notes=(*notes, *warnings, *_resumed(fitted), *_waited(trial, metrics), *_shared(dataset)),
    )
    write_record(run_dir, record)
    if record.status != "timeout":
        checkpoints.clear()
    return record


def _tested(
    trained: TrainResult, trial: Trial, history: History, run_dir: ResultsPath
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Test the model, and write its predictions and itself; its metrics, and notes on them."""
    test = EvaluationBatches(trained.data.test, trial.training.batch_size)
    predictions = predict(trained.scaling, test)
    write_predictions(run_dir, predictions.arrays())
    write_model(run_dir, trained.model)
    changed = under_conditions(trial, trained.model, trained.scaling, trained.data, predictions)
    measured = _metrics(history, predictions, trained.fitted) | changed.metrics
    rows, notes = strict({k: [v] for k, v in measured.items()}, "metrics")
    return {name: row[0] for name, row in rows.items()}, notes + changed.notes


def _keep_kernels(
    run_dir: ResultsPath, model: keras.Model, facts: DataFacts, dataset: Dataset
) -> None:
    """Keep what kernels the trained network makes for some test images, if it has involutions."""
    count = min(_KERNELS_SHOWN, len(dataset.y_test))
    maps = maps_of(model, facts, tested_pictures(dataset, facts, count, ()))
    if maps is not None:
        write_kernel_maps(run_dir, maps)


def _resumed(fitted: FitResult) -> list[str]:
    """A note where the training was not done in one go."""
    if fitted.resumed is None:
        return []
    then, now = fitted.resumed.versions, provenance.versions()
    changed = [f"{name} {then.get(name)}" for name in now if then.get(name) != now[name]]
    began = f"; it began under {', '.join(changed)}" if changed else ""
    return [f"resumed after epoch {fitted.resumed.epoch}, step {fitted.resumed.step}{began}"]


def _waited(trial: Trial, metrics: dict[str, float | None]) -> list[str]:
    """A note where the device stood still for want of images."""
    said = too_much(metrics, trial.training.epochs)
    return [f"{said}; {HELPS}"] if said else []


def _shared(dataset: Dataset) -> list[str]:
    """A note where test images are training images too."""
    return [str(each.message) for each in dataset.remarks if each.about == SHARED]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _metrics(history: History, predictions: Predictions, fitted: FitResult) -> dict[str, float]:
    accuracies = [-1.0 if value is None else value for value in history["val_accuracy"]]
    best = max(accuracies)
    seconds = [value for value in history["seconds"] if value is not None]
    return {
        **scores(predictions),
        "best_val_accuracy": best,
        "best_epoch": accuracies.index(best) + 1,
        "seconds_per_epoch": statistics.median(seconds),
        **({} if fitted.input_wait is None else {INPUT_WAIT: fitted.input_wait}),
    }


def _collapsed(history: History, data: TrialData) -> bool:
    """Whether validation stayed at chance in every epoch, and training was there at the end.

    Validation alone would not do: in short trainings the moving averages of batch normalization
    can be so far behind that a network which learns still answers at chance.
    """
    splits = ((history["val_accuracy"], data.validation), (history["accuracy"][-1:], data.train))
    return all(
        never_left_chance(accuracies, split.chance, len(split.labels))
        for accuracies, split in splits
    )


def _facts(dataset: Dataset, data: TrialData) -> DataFacts:
    return DataFacts(
        fingerprint=dataset.fingerprint,
        class_names=dataset.class_names,
        input_shape=dataset.input_shape,
        train_size=len(data.train.labels),
        validation_size=len(data.validation.labels),
        test_size=len(data.test.labels),
        chance=data.test.chance,
        mean=tuple(data.mean.tolist()),
        std=tuple(data.std.tolist()),
        test_in_train=dataset.test_in_train,
    )
