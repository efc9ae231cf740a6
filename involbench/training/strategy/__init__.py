"""The devices that train one model: one, or several that share each batch."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from involbench.errors import SettingError
from involbench.spec.schema import TrainingSpec
from involbench.training.prefetch import Batches, as_tensorflow_dataset


class SingleDevice:
    """The default device of the backend computes every step."""

    count = 1
    """Number of devices, each with a part of every batch."""
    model_class: type[keras.Model] = keras.Model
    """The class of the model that is fitted."""

    def scope(self) -> AbstractContextManager[Any]:
        """The context in which the model is built and fitted."""
        return nullcontext()

    def prepare(self, model: keras.Model) -> None:
        """Adapt a model that was built in the scope.

        Raises:
            UsageError: This strategy cannot train the model.
        """

    def inputs(self, batches: Batches) -> Any:
        """What `model.fit` and `model.predict` take, in the form that costs the backend least."""
        on_tensorflow = keras.backend.backend() == "tensorflow"
        return as_tensorflow_dataset(batches) if on_tensorflow else batches

    def make_variables(self, model: keras.Model) -> None:
        """Create the variables of optimizer and metrics, which a checkpoint restores.

        Keras would create them in the first step, and TensorFlow then traces that step twice.
        """
        model.optimizer.build(model.trainable_variables)
        label, logits = np.zeros(1, np.int64), np.zeros((1, *model.output_shape[1:]), np.float32)
        model.compute_loss(None, label, logits)
        model.compute_metrics(None, label, logits)
        model.reset_metrics()

    def metric_variables(self, model: keras.Model) -> list[Any]:
        """The variables of loss and metrics; device by device, where each device has its own."""
        return list(model.metrics_variables)


_DISTRIBUTING = ("tensorflow", "jax")


def make_strategy(training: TrainingSpec) -> SingleDevice:
    """The strategy for a training.

    Raises:
        SettingError: See `parallel_devices`.
    """
    names = parallel_devices(training)
    if not names:
        return SingleDevice()
    if keras.backend.backend() == "jax":
        from involbench.training.strategy.data_parallel import DataParallel

        return DataParallel(names)
    from involbench.training.strategy.mirrored import Mirrored

    return Mirrored(names)


def parallel_devices(training: TrainingSpec) -> tuple[str, ...]:
    """The names of the devices that share each batch; none where one device trains alone.

    Raises:
        SettingError: `data_parallel` is set, but the backend does not support it or sees one
            device, or the batch size does not divide by the number of devices.
    """
    wanted, backend = training.distribution, keras.backend.backend()
    if wanted == "none":
        return ()
    if backend not in _DISTRIBUTING:
        return _none_or_refuse(
            wanted, f"needs {' or '.join(_DISTRIBUTING)}, but the backend is {backend}; use none"
        )
    names = _devices()
    if len(names) == 1 or (wanted == "auto" and _is_cpu(names[0])):
        return _none_or_refuse(
            wanted,
            f"needs several devices, but {backend} sees one, {names[0]}; use none, or leave out "
            "--device gpu:N and --gpus, which give each trial one GPU",
        )
    if training.batch_size % len(names):
        return _none_or_refuse(
            wanted,
            f"divides each batch among {len(names)} devices, but training.batch_size "
            f"{training.batch_size} is not a multiple of {len(names)}",
        )
    return names


def _none_or_refuse(wanted: str, why: str) -> tuple[str, ...]:
    if wanted == "data_parallel":
        raise SettingError("training.distribution", f"data_parallel {why}")
    return ()


def _devices() -> tuple[str, ...]:
    """The accelerators that the backend sees, else the CPUs (one, unless set to several)."""
    if keras.backend.backend() == "jax":
        return tuple(keras.distribution.list_devices())
    import tensorflow as tf

    seen = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tuple(device.name for device in seen)


def _is_cpu(name: str) -> bool:
    return "cpu" in name.lower()
