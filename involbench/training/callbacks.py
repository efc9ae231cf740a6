"""What happens between the steps of a training: history, checkpoints, stops."""

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.errors import ResultsError
from involbench.results.record import EpochReport
from involbench.spec.schema import TrainingSpec
from involbench.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    assign_metrics,
    state_of,
    values_of,
)
from involbench.training.provenance import versions


class EpochHistory(keras.callbacks.Callback):
    """Collects one value of each metric for each epoch, and reports each epoch when it ends.

    `seconds` is the wall-clock time of the training steps of an epoch, without the validation.

    Args:
        values, seconds: Where a training is resumed: the values of the epochs before, and the time
            spent on the unfinished epoch.
    """

    def __init__(
        self,
        epochs: int,
        images: int,
        on_epoch: Callable[[EpochReport], None],
        values: dict[str, list[float]] | None = None,
        seconds: float = 0.0,
    ) -> None:
        super().__init__()
        self.values = {name: list(row) for name, row in (values or {}).items()}
        self.seconds = seconds
        self._before = seconds
        self._epochs = epochs
        self._images = images
        self._on_epoch = on_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()
        self.seconds = self._before

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds = self._before + time.perf_counter() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        metrics = {name: _shortest_decimal(value) for name, value in (logs or {}).items()}
        metrics["seconds"] = self.seconds
        for name, value in metrics.items():
            self.values.setdefault(name, []).append(value)
        self._before = self.seconds = 0.0
        self._on_epoch(EpochReport(epoch + 1, self._epochs, self._images, metrics))


def _shortest_decimal(value: float) -> float:
    """The shortest decimal of a 32-bit number: 0.7, where its exact value is 0.699999988079071.

    With further digits, which 32 bits do not have, equal gains of two seeds would look different.
    """
    return float(str(np.float32(value)))


class Stopped(Exception):
    """The training was interrupted; its state is saved."""


class TimeLimitReached(Exception):
    """The training has reached its time limit; its state is saved."""


class Diverged(Exception):
    """The loss or a weight is not finite."""


class Checkpointer(keras.callbacks.Callback):
    """Saves checkpoints after epochs and steps, and ends a training that must not go on.

    It must come after `history` in the list of callbacks. `stop` is called after each step;
    `metric_variables` gives the variables of loss and metrics, device by device.

    Raises:
        Stopped, TimeLimitReached, Diverged: From `fit`, between two steps.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        history: EpochHistory,
        training: TrainingSpec,
        stop: Callable[[], bool],
        resumed: Checkpoint | None,
        metric_variables: Callable[[keras.Model], list[Any]],
    ) -> None:
        super().__init__()
        self._checkpoints, self._history = checkpoints, history
        self._training, self._stop = training, stop
        self._resumed, self._metric_variables = resumed, metric_variables
        self._before = resumed.seconds if resumed else 0.0
        self._began = time.perf_counter()
        self._epoch = resumed.epoch if resumed else 0
        self._step = 0

    @property
    def seconds(self) -> float:
        """Seconds of this training, including those before it was resumed."""
        return self._before + time.perf_counter() - self._began

    def on_train_begin(self, logs: Any = None) -> None:
        self._end_between_epochs()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._step = epoch, 0
        resumed, self._resumed = self._resumed, None
        if resumed is not None and resumed.step:
            self._step = resumed.step
            # Keras has just reset the sums of the epoch.
            restored = assign_metrics(
                self._metric_variables(self.model),
                len(self.model.metrics_variables),
                resumed.metrics,
            )
            if not restored:
                raise ResultsError(
                    f"{self._checkpoints.folder}: the newest checkpoint has other metrics than "
                    "this training; delete it, or the folder, and run again"
                )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step += 1
        if batch + 1 == self.params["steps"]:
            return  # A checkpoint of the epoch follows, after the validation.
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
        # ReLU turns NaN into 0 on TensorFlow, so the loss can be finite where weights are not.
        weights = self.model.variables  # Values of optimizer variables follow.
        for weight, value in zip(weights, values, strict=False):
            if not np.isfinite(value).all():
                raise Diverged(f"the weight {weight.path} was not finite in epoch {number}")

    def _save(self, loss: Any) -> None:
        model = self.model  # On JAX, this property updates the variables.
        variables = state_of(model)
        self._check_finite(float(loss), variables)
        metrics = self._metric_variables(model) if self._step else []
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
