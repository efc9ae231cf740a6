"""What a training needs to go on from where it was, on disk.

A checkpoint is one `.npz` file that is renamed into place when it is whole. Every member carries a
checksum, so damage is noticed when it is read. The newest two are kept: where the last one turns
out damaged, training goes on from the one before.
"""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.errors import UsageError
from involbench.results.files import make_folder, write_atomic

_KEPT = 2


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


def restore(model: keras.Model, checkpoint: Checkpoint) -> bool:
    """Give a compiled model the variables of a checkpoint; False where they do not fit it."""
    return assign(_variables(model), checkpoint.variables)


def assign(variables: list[Any], values: tuple[NDArray[Any], ...]) -> bool:
    """Set the variables; False, and nothing set, where shapes or types differ."""
    kinds = [(tuple(v.shape), keras.backend.standardize_dtype(v.dtype)) for v in variables]
    if kinds != [(value.shape, value.dtype.name) for value in values]:
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


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they are; made when the first is written.
        warn: Takes a line about each file that cannot be used.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
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
            old.unlink(missing_ok=True)

    def latest(self, fits: Callable[[Checkpoint], bool]) -> Checkpoint | None:
        """The newest checkpoint that can be read and that fits, or None.

        What cannot be used is set aside under another name and warned about.

        Raises:
            UsageError: It was written under another backend, whose training cannot go on here.
        """
        for path in self._files():
            try:
                checkpoint = _read(path)
                self._check_backend(checkpoint)
                if fits(checkpoint):
                    return checkpoint
                why = "it was made for another model"
            except UsageError:
                raise
            except Exception as error:  # Damaged files make NumPy and zipfile raise anything.
                why = f"it is damaged ({str(error) or type(error).__name__})"
            self._warn(f"checkpoint {path}: {why}; going on from the one before, or the start")
            path.replace(path.with_suffix(".damaged"))
        return None

    def clear(self) -> None:
        """Delete all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _check_backend(self, checkpoint: Checkpoint) -> None:
        now = keras.backend.backend()
        then = checkpoint.versions.get("backend", now)
        if then != now:
            raise UsageError(
                f"{self.folder} was written under {then}, but the backend is {now} now; resume "
                f"with KERAS_BACKEND={then}, or delete that folder to start again under {now}"
            )

    def _files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("*.npz"), reverse=True)


def _read(path: Path) -> Checkpoint:
    with np.load(path, allow_pickle=False) as members:
        arrays = {name: members[name] for name in sorted(members.files)}
    state = json.loads(str(arrays.pop("state")))
    return Checkpoint(
        **state,
        variables=tuple(v for name, v in arrays.items() if name.startswith("variables")),
        metrics=tuple(v for name, v in arrays.items() if name.startswith("metrics")),
    )
