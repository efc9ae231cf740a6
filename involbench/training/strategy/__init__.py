"""The devices that train one model: one, or several that share each batch."""

import keras

from involbench.errors import SettingError
from involbench.spec.schema import TrainingSpec
from involbench.training.strategy.single import SingleDevice

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
