"""The device that trains, asked of the Keras backend."""

import os

import keras

from involbench.errors import UsageError


def gpu_names() -> tuple[str, ...]:
    """The names of the GPUs that the backend sees; empty where it trains on the CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(device) for device in devices]
        return tuple(detail.get("device_name", "GPU") for detail in details)
    if keras.backend.backend() == "jax":
        import jax

        return tuple(d.device_kind for d in jax.devices() if d.platform != "cpu")
    import torch

    return tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def require_device(device: str) -> None:
    """Check that the wanted device is there.

    Args:
        device: `"auto"`, `"cpu"`, `"gpu"` or `"gpu:<index>"`. The process must have been started
            with the environment that hides the other devices.

    Raises:
        UsageError: A GPU was asked for and none is seen.
    """
    if device.startswith("gpu") and not gpu_names():
        among = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise UsageError(
            f"a GPU is asked for, and {keras.backend.backend()} sees none"
            + (f" for CUDA_VISIBLE_DEVICES={among}" if among is not None else ""),
            remedy="use --device cpu, or see what `involbench doctor` says of the backend",
        )


def make_reproducible(seed: int, deterministic: bool = True) -> None:
    """Seed every generator; if `deterministic`, let no operation depend on its threads' order."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.framework import config  # Only switching it on is public.

        if deterministic:
            config.enable_op_determinism()
        else:
            config.disable_op_determinism()
