"""Saving a training's state as it goes, and ending it where it must end early."""

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.spec.training import TrainingSpec
from involbench.training.checkpoint import Checkpoint, Checkpoints, assign_sums, state_of, values_of
from involbench.training.history import EpochHistory
from involbench.training.provenance import versions


class Stopped(Exception):
    """The training was asked to stop; its state is saved."""


class OutOfTime(Exception):
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
            raise OutOfTime

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
