"""The state of a training on disk: saving it, resuming, stopping early.

A checkpoint is one `.npz` file that is renamed into place when it is whole. Every member carries a
checksum, so damage is noticed when it is read. The newest two are kept: where the last one turns
out damaged, training goes on from the one before.
"""

import io
import json
import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat

from involbench.errors import ResultsError, UsageError
from involbench.npz import NpzFile
from involbench.results.arrays import arrays_in
from involbench.results.files import (
    make_folder,
    names_in,
    remove,
    remove_tree,
    rename,
    write_atomic,
)
from involbench.results.limits import CHECKPOINT, HISTORY
from involbench.results.paths import ResultsPath
from involbench.spec.schema import TrainingSpec
from involbench.training.history import NAMES, EpochHistory
from involbench.training.provenance import versions

Kind = tuple[tuple[int, ...], str]
"""Shape and dtype."""

_KEPT = 2
_NAME = re.compile(r"\d{5,}-\d{7,}\.npz")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training between two steps."""

    epoch: int
    """Epochs completed."""
    step: int
    """Steps done of the epoch after them."""
    seconds: float
    """Wall-clock time spent on training and validation."""
    epoch_seconds: float
    """Of it, on the steps of the unfinished epoch."""
    history: dict[str, list[float]]
    versions: dict[str, str]
    """Of the libraries that trained."""
    variables: tuple[NDArray[Any], ...]
    """Weights, generators' states, and the optimizer's."""
    metrics: tuple[NDArray[Any], ...]
    """The running sums of the unfinished epoch's loss and metrics, device by device."""


def state_of(model: keras.Model) -> tuple[NDArray[Any], ...]:
    """The variables of a compiled model and its optimizer."""
    return values_of(_variables(model))


def values_of(variables: list[Any]) -> tuple[NDArray[Any], ...]:
    """What the variables hold."""
    return tuple(np.asarray(keras.ops.convert_to_numpy(v)) for v in variables)


def restore(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Give a compiled model the variables of a checkpoint that was read for it."""
    restored = assign(_variables(model), checkpoint.variables)
    assert restored, "the variables are not those that the checkpoint was checked against"


def assign(variables: list[Any], values: tuple[NDArray[Any], ...]) -> bool:
    """Set the variables; False, and nothing set, where shapes or types differ."""
    if list(map(_kind, variables)) != [(value.shape, value.dtype.name) for value in values]:
        return False
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return True


def assign_sums(variables: list[Any], count: int, values: tuple[NDArray[Any], ...]) -> bool:
    """Set variables that add something up, where each device may have its own.

    Args:
        variables: `count` of the first device, as many of the second, and so on; all zero.
        count: How many there are to a device.
        values: The same of another time, and perhaps of another number of devices.
    """
    if len(values) != len(variables):
        totals = (np.sum(values[index::count], axis=0) for index in range(count))
        variables, values = variables[:count], tuple(np.asarray(t, values[0].dtype) for t in totals)
    return assign(variables, values)


def _kind(variable: Any) -> Kind:
    return tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


@dataclass(frozen=True)
class Training:
    """What a checkpoint must fit."""

    kinds: tuple[Kind, ...]
    """Of the variables."""
    epochs: int
    steps: int
    """In an epoch."""

    @classmethod
    def of(cls, model: keras.Model, epochs: int, steps: int) -> "Training":
        """That of a compiled model."""
        return cls(tuple(map(_kind, _variables(model))), epochs, steps)


class _State(BaseModel):
    """What a checkpoint holds beside arrays; the values of a history need not be finite."""

    model_config = ConfigDict(extra="forbid", strict=True)

    epoch: int
    step: int
    seconds: FiniteFloat
    epoch_seconds: FiniteFloat
    history: dict[str, list[float]]
    versions: dict[str, str]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they are; made when the first is written.
        warn: Takes a line about each file that cannot be used.
    """

    def __init__(self, folder: ResultsPath, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and then drop all but the newest two.

        Raises:
            ResultsError: The folder cannot be written or the disk is full.
        """
        members: dict[str, Any] = {
            f"{kind}{index:05d}": value
            for kind in ("variables", "metrics")
            for index, value in enumerate(getattr(checkpoint, kind))
        }
        plain = ("epoch", "step", "seconds", "epoch_seconds", "history", "versions")
        members["state"] = np.array(json.dumps({name: getattr(checkpoint, name) for name in plain}))
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **members)
        name = f"{checkpoint.epoch:05d}-{checkpoint.step:07d}.npz"
        make_folder(self.folder)
        write_atomic(self.folder / name, buffer.getvalue())
        for old in self._files()[_KEPT:]:
            remove(old)

    def latest(self, training: Training) -> Checkpoint | None:
        """The newest checkpoint that can be read and that fits, or None.

        What cannot be used is set aside under another name and warned about.

        Raises:
            ResultsError: The folder cannot be listed or written.
            UsageError: It was written under another backend, whose training cannot go on here.
        """
        for path in self._files():
            try:
                return _read(path, training)
            except ResultsError as error:
                self._warn(f"checkpoint {error}; going on from the one before, or the start")
            rename(path, f"{path.name.removesuffix('.npz')}.damaged")
        return None

    def clear(self) -> None:
        """Delete all of them."""
        with suppress(ResultsError):
            remove_tree(self.folder)

    def _files(self) -> list[ResultsPath]:
        """Newest first."""
        names = filter(_NAME.fullmatch, names_in(self.folder))
        return [self.folder / name for name in sorted(names, reverse=True)]


def _read(path: ResultsPath, training: Training) -> Checkpoint:
    """Read a checkpoint of a training; what does not fit it is never unpacked.

    Raises:
        ResultsError: It cannot be read, is damaged, or another training's.
        UsageError: It was written under another backend.
    """
    with arrays_in(path, CHECKPOINT) as arrays:
        count = len(training.kinds)
        variables = [f"variables{index:05d}" for index in range(count)]
        metrics = [f"metrics{index:05d}" for index in range(len(arrays.headers) - count - 1)]
        state = _state_in(arrays)
        _check_backend(path, state)
        _check_arrays(arrays, variables, metrics, training)
        _check_state(state, bool(metrics), training)
        return Checkpoint(
            **state.model_dump(),
            variables=tuple(map(arrays.read, variables)),
            metrics=tuple(map(arrays.read, metrics)),
        )


def _state_in(arrays: NpzFile) -> _State:
    header = arrays.require("state", np.str_)
    if header.shape or header.nbytes > HISTORY:
        raise ValueError("its state is no text, or too long")
    return _State.model_validate_json(str(arrays.read("state")))


def _check_backend(path: ResultsPath, state: _State) -> None:
    now = keras.backend.backend()
    then = state.versions.get("backend", now)
    if then != now:
        raise UsageError(
            f"{path.parent} was written under {then}, but the backend is {now} now; resume "
            f"with KERAS_BACKEND={then}, or delete that folder to start again under {now}"
        )


def _check_arrays(
    arrays: NpzFile, variables: list[str], metrics: list[str], training: Training
) -> None:
    """Check shapes and types by the headers; metrics are sums, of one number each."""
    headers = arrays.headers
    found = [(headers[v].shape, headers[v].dtype.name) for v in variables if v in headers]
    if found != list(training.kinds) or not all(name in headers for name in metrics):
        raise ValueError("it was made for another model")
    if any(headers[name].shape or headers[name].dtype.kind not in "iuf" for name in metrics):
        raise ValueError("its metrics are no numbers")


def _check_state(state: _State, has_metrics: bool, training: Training) -> None:
    """Check that a training of so many epochs can have come so far, and recorded that."""
    within = 0 <= state.step < training.steps and has_metrics == bool(state.step)
    if not 0 <= state.epoch <= training.epochs or not within:
        raise ValueError(
            f"it is of epoch {state.epoch}, step {state.step}; the training has "
            f"{training.epochs} epochs of {training.steps} steps"
        )
    if state.epoch == training.epochs and state.step:
        raise ValueError("it is of a step after the last epoch")
    lengths = {name: len(values) for name, values in state.history.items()}
    if lengths != dict.fromkeys(NAMES if state.epoch else (), state.epoch):
        raise ValueError(f"its history is not that of {state.epoch} epochs")
    if min(state.seconds, state.epoch_seconds) < 0:
        raise ValueError("it took less than no time")


class Stopped(Exception):
    """The training was asked to stop; its state is saved."""


class TimeLimitReached(Exception):
    """The training has taken as long as it may; its state is saved."""


class Diverged(Exception):
    """The loss or a weight is not finite."""


class Checkpointer(keras.callbacks.Callback):
    """Saves a checkpoint after each epoch and every so many steps, and watches over the training.

    Args:
        checkpoints: Where to.
        history: The callback that collects the history; it must come before this one.
        training: How many epochs there are to be, how often within one a checkpoint, how long.
        stop: Whether it shall stop; asked after each step.
        resumed: Where the training goes on from.
        sums: The variables of the model's loss and metrics, on one device after another.

    Raises:
        Stopped, OutOfTime, Diverged: Out of `fit`, between two steps.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        history: EpochHistory,
        training: TrainingSpec,
        stop: Callable[[], bool],
        resumed: Checkpoint | None,
        sums: Callable[[keras.Model], list[Any]],
    ) -> None:
        super().__init__()
        self._checkpoints, self._history = checkpoints, history
        self._training, self._stop = training, stop
        self._resumed, self._sums = resumed, sums
        self._before = resumed.seconds if resumed else 0.0
        self._began = time.perf_counter()
        self._epoch = resumed.epoch if resumed else 0
        self._step = 0

    @property
    def seconds(self) -> float:
        """Spent on this training, over all its parts."""
        return self._before + time.perf_counter() - self._began

    def on_train_begin(self, logs: Any = None) -> None:
        self._end_between_epochs()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._step = epoch, 0
        resumed, self._resumed = self._resumed, None
        if resumed is not None and resumed.step:
            self._step = resumed.step
            # Keras has just reset them: the epoch's sums go on from where they were.
            restored = assign_sums(
                self._sums(self.model), len(self.model.metrics_variables), resumed.metrics
            )
            if not restored:
                raise ResultsError(
                    f"{self._checkpoints.folder}: the newest checkpoint has sums of other metrics; "
                    "delete it, or the folder, and run again"
                )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step += 1
        if batch + 1 == self.params["steps"]:
            return  # The epoch's own checkpoint follows, after the validation.
        every = self._training.checkpoint_every
        due = every is not None and self._step % every == 0
        stop, late = self._stop(), self._late()
        if stop or late or due:
            self._save((logs or {})["loss"])
        self._end(stop, late)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._step = epoch + 1, 0
        self._save((logs or {})["loss"])
        self._end_between_epochs()

    def _late(self) -> bool:
        minutes = self._training.max_minutes
        return minutes is not None and self.seconds > 60 * minutes

    def _end_between_epochs(self) -> None:
        self._end(self._stop(), self._late() and self._epoch < self._training.epochs)

    def _end(self, stop: bool, late: bool) -> None:
        if stop:
            raise Stopped
        if late:
            raise TimeLimitReached

    def _check_finite(self, loss: float, values: tuple[NDArray[Any], ...]) -> None:
        number = self._epoch + 1 if self._step else self._epoch
        if not math.isfinite(loss):
            raise Diverged(f"the loss was {loss} in epoch {number}")
        # TensorFlow's ReLU turns NaN into 0, so the loss can be finite where weights are not.
        weights = self.model.variables  # The values of the optimizer's variables follow.
        for weight, value in zip(weights, values, strict=False):
            if not np.isfinite(value).all():
                raise Diverged(f"the weight {weight.path} was not finite in epoch {number}")

    def _save(self, loss: Any) -> None:
        model = self.model  # On JAX, asking for it brings the variables up to date.
        variables = state_of(model)
        self._check_finite(float(loss), variables)
        metrics = self._sums(model) if self._step else []
        self._checkpoints.save(
            Checkpoint(
                epoch=self._epoch,
                step=self._step,
                seconds=self.seconds,
                epoch_seconds=self._history.seconds,
                history=self._history.values,
                versions=versions(),
                variables=variables,
                metrics=values_of(metrics),
            )
        )
