"""A trial from start to end: train, test, and write the run folder."""

import csv
import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import keras

from involbench.data import Dataset
from involbench.data.dataset import SHARED
from involbench.errors import ResultsError, UsageError
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
    Probe,
    RunRecord,
    too_much,
)
from involbench.results.store import write_trial
from involbench.results.trained_networks import trained_network
from involbench.spec.trial import Trial
from involbench.statistics.classification import never_left_chance
from involbench.training import provenance
from involbench.training.checkpoint import Checkpoints
from involbench.training.evaluate import Predictions, evaluate_conditions, predict, scores
from involbench.training.fit import FitResult, TrainResult, train, with_scaling
from involbench.training.inference import choose_test_images, load_model, model_kernel_maps
from involbench.training.prefetch import EvaluationBatches
from involbench.training.split import TrialData, split_dataset

_IMAGES_WITH_KERNELS = 6
_FILES = ("history.json", "history.csv", "parameters.json", "predictions.npz", "model.keras")


def run_trial(
    trial: Trial,
    dataset: Dataset,
    run_dir: ResultsPath,
    argv: tuple[str, ...],
    on_epoch: Callable[[EpochReport], None],
    stop: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    on_probe: Callable[[Probe], None] = lambda probed: None,
    reuse: Iterable[ResultsPath] = (),
    notify: Callable[[str], None] = lambda text: None,
) -> RunRecord:
    """Train and test one model, from its last checkpoint on, and write its run folder.

    Args:
        run_dir: An existing folder. Its files are replaced, run.json last.
        stop: Whether to stop; called after each training step.
        argv, environment: For the record: the command line, and the variables that can change the
            last digits of results.
        on_probe: Called with what was found in the network before training.
        reuse: Folders of experiments; a network that a run in them has trained is tested only.
        notify: Called with a sentence where that is so.

    Returns:
        The record, with status `finished`, `diverged` or `timeout`.

    Raises:
        Stopped: `stop` returned True; the next call resumes the training.
        UsageError: The trial does not fit the data or the libraries.
        ResultsError: The folder cannot be written.
    """
    started, began, warnings = _now(), time.perf_counter(), list[str]()
    checkpoints = Checkpoints(run_dir / "checkpoint", warnings.append)
    write_trial(run_dir, trial)
    remove(run_dir / "run.json")  # It describes an earlier try.
    trained = _trained_before(trial, dataset, reuse, warnings.append) or train(
        trial, dataset, checkpoints, on_epoch, stop, on_probe
    )
    origin = _origin_notes(trained)
    if trained.reused:
        notify(origin[0])
    fitted, facts = trained.fitted, _facts(dataset, trained.data)
    history, notes = _finite(fitted.history, "history")
    _write_history(run_dir, history)
    parameters = count_parameters(trained.model)
    write_json(run_dir / "parameters.json", parameters.model_dump(mode="json"))
    metrics: dict[str, float | None] = {}
    if fitted.status == "finished":
        metrics, more_notes = _test_model(trained, trial, history, run_dir)
        notes += more_notes
        _save_kernel_maps(run_dir, trained.model, facts, dataset)
    at_chance = _at_chance(history, trained.data) if fitted.status == "finished" else set[str]()
    slow = too_much(metrics, trial.training.epochs)  # The training waited for images.
    record = RunRecord(
        run_id=trial.run_id(dataset.fingerprint),
        status=fitted.status,
        error=fitted.reason,
        trial=trial,
        argv=argv,
        versions=provenance.versions(),
        hardware=trained.reused.record.hardware
        if trained.reused
        else provenance.hardware(trained.devices),
        git=provenance.git_state(),
        data=facts,
        started=started,
        ended=_now(),
        seconds=time.perf_counter() - began + _seconds_before(trained),
        metrics=metrics,
        collapsed=at_chance == {"validation", "training"},
        validation_lags=at_chance == {"validation"} and _has_moving_averages(trained.model),
        probe=trained.probed,
        files=_file_sizes(run_dir),
        environment=None if environment is None else dict(environment),
        notes=(
            *notes,
            *warnings,
            *origin,
            *([f"{slow}; {HELPS}"] if slow else []),
            *(str(each.message) for each in dataset.remarks if each.about == SHARED),
        ),
    )
    write_json(run_dir / "run.json", record.model_dump(mode="json"))
    if record.status != "timeout":
        checkpoints.clear()
    return record


def _test_model(
    trained: TrainResult, trial: Trial, history: History, run_dir: ResultsPath
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Test the model, and write predictions and model; return metrics, and notes on them."""
    test = EvaluationBatches(trained.data.test, trial.training.batch_size)
    predictions = predict(trained.scaling, test)
    write_arrays(run_dir / "predictions.npz", predictions.arrays())
    _write_model(run_dir, trained.model)
    conditions = evaluate_conditions(
        trial, trained.model, trained.scaling, trained.data, predictions
    )
    metrics = _metrics(history, predictions, trained.fitted) | conditions.metrics
    rows, notes = _finite({name: [value] for name, value in metrics.items()}, "metrics")
    return {name: row[0] for name, row in rows.items()}, notes + conditions.notes


def _save_kernel_maps(
    run_dir: ResultsPath, model: keras.Model, facts: DataFacts, dataset: Dataset
) -> None:
    """Save the kernels that the network generates for some test images, if it has involutions."""
    count = min(_IMAGES_WITH_KERNELS, len(dataset.y_test))
    maps = model_kernel_maps(model, facts, choose_test_images(dataset, facts, count))
    if maps is not None:
        write_kernel_maps(run_dir, maps)


def _trained_before(
    trial: Trial, dataset: Dataset, reuse: Iterable[ResultsPath], warn: Callable[[str], None]
) -> TrainResult | None:
    """The network of an earlier run, instead of a training; None without one."""
    found = trained_network(trial, dataset.fingerprint, keras.backend.backend(), reuse)
    if found is None:
        return None
    try:
        model = load_model(found.record, found.facts, found.weights)
    except UsageError as error:
        warn(f"trained again: {error}")
        return None
    data = split_dataset(
        dataset,
        trial.seed,
        trial.data.train_size,
        trial.data.validation,
        trial.data.normalization,
    )
    values = {
        name: [math.nan if value is None else value for value in row]
        for name, row in found.history.items()
    }
    return TrainResult(
        model,
        with_scaling(model, data.mean, data.std),
        data,
        FitResult("finished", None, values, found.record.metrics.get(INPUT_WAIT), None),
        found.record.hardware.devices if found.record.hardware else 1,
        found.record.probe,
        found,
    )


def _seconds_before(trained: TrainResult) -> float:
    """Those of earlier processes."""
    if trained.reused:
        return trained.reused.record.seconds
    return trained.fitted.resumed.seconds if trained.fitted.resumed else 0.0


def _origin_notes(trained: TrainResult) -> list[str]:
    """A note where the training was resumed, or was that of an earlier run."""
    reused, resumed = trained.reused, trained.fitted.resumed
    if reused:
        what, began, before = f"trained as {reused.name}", "that was", reused.record.versions
    elif resumed:
        what, began = f"resumed after epoch {resumed.epoch}, step {resumed.step}", "it began"
        before = resumed.versions
    else:
        return []
    now = provenance.versions()
    changed = [f"{name} {before.get(name)}" for name in now if before.get(name) != now[name]]
    return [what + (f"; {began} under {', '.join(changed)}" if changed else "")]


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


def _at_chance(history: History, data: TrialData) -> set[str]:
    """Which stayed at chance: the validation accuracy always, the training accuracy at the end.

    A network collapsed if both did. In short trainings, validation alone may, because the moving
    averages of batch normalization lag behind those of the weights.
    """
    splits = {
        "validation": (history["val_accuracy"], data.validation),
        "training": (history["accuracy"][-1:], data.train),
    }
    return {
        name
        for name, (accuracies, split) in splits.items()
        if never_left_chance(accuracies, split.chance, len(split.labels))
    }


def _has_moving_averages(model: keras.Model) -> bool:
    return any("moving_mean" in each.path for each in model.non_trainable_variables)


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


def _finite(
    values: Mapping[str, list[float]], what: str
) -> tuple[dict[str, list[float | None]], tuple[str, ...]]:
    """The values with None for those that JSON does not have, and a note for each such name."""
    finite: dict[str, list[float | None]] = {
        name: [value if math.isfinite(value) else None for value in row]
        for name, row in values.items()
    }
    notes = tuple(
        f"{what}.{name}: {row.count(None)} of {len(row)} values were not finite, written as null"
        for name, row in finite.items()
        if None in row
    )
    return finite, notes


def _write_history(run_dir: ResultsPath, history: History) -> None:
    """Write history.json, and history.csv with a row for each epoch."""
    write_json(run_dir / "history.json", history)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history])
    rows = zip(*history.values(), strict=True)
    writer.writerows([epoch, *row] for epoch, row in enumerate(rows, start=1))
    write_atomic(run_dir / "history.csv", text.getvalue().encode())


def _write_model(run_dir: ResultsPath, model: keras.Model) -> None:
    """Write model.keras: architecture, weights and optimizer."""
    path = run_dir / "model.keras"
    # Keras follows links, which anyone could have put into the run's folder.
    with tempfile.TemporaryDirectory(prefix="involbench-") as folder:
        temporary = Path(folder, path.name)
        try:
            model.save(temporary)
        except OSError as error:
            raise ResultsError(f"cannot write {temporary}: {error.strerror or error}") from error
        copy_in(temporary, path)


def _file_sizes(run_dir: ResultsPath) -> dict[str, int]:
    """The size in bytes of each file of a run, which shows damage later."""
    paths = [run_dir / name for name in _FILES]
    return {path.name: path.status().st_size for path in paths if path.exists()}
