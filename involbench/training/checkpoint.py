"""The state of a training on disk: how it is saved, read and checked.

A checkpoint is one `.npz` file that is renamed into place when it is complete. Every member has a
checksum, so that damage is noticed when it is read. The newest two are kept: if the last one is
damaged, training resumes from the one before.
"""

import io
import json
import re
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

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")
"""What a history has for each epoch."""

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
    """Steps completed of the next epoch."""
    seconds: float
    """Wall-clock time of training and validation."""
    epoch_seconds: float
    """The part of it for the steps of the unfinished epoch."""
    history: dict[str, list[float]]
    versions: dict[str, str]
    """Versions of the libraries that trained."""
    variables: tuple[NDArray[Any], ...]
    """Weights, states of random generators, and variables of the optimizer."""
    metrics: tuple[NDArray[Any], ...]
    """Running sums of loss and metrics in the unfinished epoch, device by device."""


def state_of(model: keras.Model) -> tuple[NDArray[Any], ...]:
    """The variables of a compiled model and its optimizer."""
    return values_of(_variables(model))


def values_of(variables: list[Any]) -> tuple[NDArray[Any], ...]:
    """The values of variables."""
    return tuple(np.asarray(keras.ops.convert_to_numpy(v)) for v in variables)


def restore(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Set the variables of a compiled model to those of a checkpoint that was read for it."""
    restored = assign(_variables(model), checkpoint.variables)
    assert restored, "the checkpoint was checked against other variables"


def assign(variables: list[Any], values: tuple[NDArray[Any], ...]) -> bool:
    """Set variables. Where shapes or types differ, set none and return False."""
    if list(map(_kind, variables)) != [(value.shape, value.dtype.name) for value in values]:
        return False
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return True


def assign_metrics(variables: list[Any], count: int, values: tuple[NDArray[Any], ...]) -> bool:
    """Set the running sums of metrics; each device may have `count` variables of its own.

    The values may have been saved with another number of devices.

    Returns:
        False, with no variable set, where shapes or types differ.
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
    """Shape and dtype of each variable."""
    epochs: int
    steps: int
    """Steps in an epoch."""

    @classmethod
    def of(cls, model: keras.Model, epochs: int, steps: int) -> "Training":
        """The training of a compiled model."""
        return cls(tuple(map(_kind, _variables(model))), epochs, steps)


class _State(BaseModel):
    """What a checkpoint has beside arrays; values of a history need not be finite."""

    model_config = ConfigDict(extra="forbid", strict=True)

    epoch: int
    step: int
    seconds: FiniteFloat
    epoch_seconds: FiniteFloat
    history: dict[str, list[float]]
    versions: dict[str, str]


class Checkpoints:
    """The checkpoints of one run; `warn` gets a line about each file that cannot be used."""

    def __init__(self, folder: ResultsPath, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then delete all but the newest two.

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
        """The newest checkpoint that can be read and fits; a file that cannot be used is renamed.

        Raises:
            ResultsError: The folder cannot be listed or written.
            UsageError: The checkpoint was written with another backend.
        """
        for path in self._files():
            try:
                return _read(path, training)
            except ResultsError as error:
                self._warn(f"checkpoint {error}; resuming from the one before, or from the start")
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
    """Read a checkpoint of a training; arrays that do not fit are never unpacked.

    Raises:
        ResultsError: It cannot be read, is damaged, or is of another training.
        UsageError: It was written with another backend.
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
        raise ValueError("its state is not text, or too long")
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
    """Check shapes and types by the headers; each metric is one number."""
    headers = arrays.headers
    found = [(headers[v].shape, headers[v].dtype.name) for v in variables if v in headers]
    if found != list(training.kinds) or not all(name in headers for name in metrics):
        raise ValueError("it was made for another model")
    if any(headers[name].shape or headers[name].dtype.kind not in "iuf" for name in metrics):
        raise ValueError("its metrics are not numbers")


def _check_state(state: _State, has_metrics: bool, training: Training) -> None:
    """Check that the training can have reached this step, with this history."""
    within = 0 <= state.step < training.steps and has_metrics == bool(state.step)
    if not 0 <= state.epoch <= training.epochs or not within:
        raise ValueError(
            f"it is of epoch {state.epoch}, step {state.step}; the training has "
            f"{training.epochs} epochs of {training.steps} steps"
        )
    if state.epoch == training.epochs and state.step:
        raise ValueError("it is of a step after the last epoch")
    lengths = {name: len(values) for name, values in state.history.items()}
    if lengths != dict.fromkeys(METRICS if state.epoch else (), state.epoch):
        raise ValueError(f"its history is not that of {state.epoch} epochs")
    if min(state.seconds, state.epoch_seconds) < 0:
        raise ValueError("its time is negative")
