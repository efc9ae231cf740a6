"""The optimizer and the loss of a trial."""

from collections.abc import Callable
from typing import Any

import keras

from involbench.errors import SettingError
from involbench.spec.schema import ScheduleSpec
from involbench.spec.trial import Trial


def make_optimizer(trial: Trial, steps_per_epoch: int = 1) -> keras.optimizers.Optimizer:
    """The optimizer of a trial, with its learning rate schedule.

    The schedule is the cosine of Keras (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5)
    without restarts, after a linear warmup (Goyal et al., "Accurate, Large Minibatch SGD", 2017).

    Raises:
        SettingError: Keras does not have the optimizer, or rejects its arguments.
    """
    spec, training = trial.training.optimizer, trial.training
    schedule = training.learning_rate_schedule
    try:
        made = _optimizer(spec.name, spec.arguments)
        if schedule is None:
            return made
        steps = training.epochs * steps_per_epoch
        falling = _cosine(schedule, made.get_config()["learning_rate"], steps, steps_per_epoch)
        return _optimizer(spec.name, spec.arguments | {"learning_rate": falling})
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError("training.optimizer", f"keras refuses {spec.name}: {reason}") from error


def make_loss(trial: Trial) -> Callable[[Any, Any], Any]:
    """The cross-entropy of labels (B,) and logits (B, num_classes), as `model.compile` takes it.

    Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
    CVPR 2016, section 7.
    """
    smoothing = trial.training.label_smoothing
    if not smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def smoothed_crossentropy(labels: Any, logits: Any) -> Any:
        ones = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), logits.shape[-1])
        return keras.losses.categorical_crossentropy(
            ones, logits, from_logits=True, label_smoothing=smoothing
        )

    return smoothed_crossentropy


def _optimizer(name: str, arguments: dict[str, Any]) -> keras.optimizers.Optimizer:
    """Make an optimizer by its class: `keras.optimizers.get` does not know all names."""
    kinds = {kind.lower(): kind for kind in vars(keras.optimizers)}
    if name not in kinds:
        raise ValueError(f"version {keras.__version__} does not have it")
    return getattr(keras.optimizers, kinds[name])(**arguments)


def _cosine(
    schedule: ScheduleSpec, learning_rate: float, steps: int, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    rising = {"warmup_target": learning_rate, "warmup_steps": warmup} if warmup else {}
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else learning_rate, max(1, steps - warmup), alpha=schedule.alpha, **rising
    )
