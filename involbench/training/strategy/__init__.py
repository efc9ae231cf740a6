"""On how many devices one model trains."""

import keras

from involbench.errors import SettingError
from involbench.spec.schema import TrainingSpec
from involbench.training.strategy.single import OneDevice

_DISTRIBUTING = ("tensorflow", "jax")


def devices_for(training: TrainingSpec) -> OneDevice:
    """What trains: one device, or several that share each batch.

    Raises:
        SettingError: See `shared_among`.
    """
    names = shared_among(training)
    if not names:
        return OneDevice()
    if keras.backend.backend() == "jax":
        from involbench.training.strategy.data_parallel import Sharded

        return Sharded(names)
    from involbench.training.strategy.mirrored import Mirrored

    return Mirrored(names)


def shared_among(training: TrainingSpec) -> tuple[str, ...]:
    """The devices that share each batch, by the backend's names; none where one has it whole.

    Raises:
        SettingError: `data_parallel` is asked for, and the backend cannot, sees one device, or the
            batch does not divide among those that it sees.
    """
    wanted, backend = training.distribution, keras.backend.backend()
    if wanted == "none":
        return ()
    if backend not in _DISTRIBUTING:
        return _none_or_refuse(
            wanted, f"is for {' and '.join(_DISTRIBUTING)}, and the backend is {backend}; use none"
        )
    names = _devices()
    if len(names) == 1 or (wanted == "auto" and _is_cpu(names[0])):
        return _none_or_refuse(
            wanted,
            f"needs several devices, and {backend} sees one, {names[0]}; use none, or leave out "
            "--device gpu:N and --gpus, which give each trial one GPU",
        )
    if training.batch_size % len(names):
        return _none_or_refuse(
            wanted,
            f"divides each batch among {len(names)} devices, and training.batch_size "
            f"{training.batch_size} is no multiple of that",
        )
    return names


def _none_or_refuse(wanted: str, why: str) -> tuple[str, ...]:
    if wanted == "data_parallel":
        raise SettingError("training.distribution", f"data_parallel {why}")
    return ()


def _devices() -> tuple[str, ...]:
    """The accelerators that the backend sees, or else the CPUs: one, unless told to see several."""
    if keras.backend.backend() == "jax":
        return tuple(keras.distribution.list_devices())
    import tensorflow as tf

    seen = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tuple(device.name for device in seen)


def _is_cpu(name: str) -> bool:
    return "cpu" in name.lower()
