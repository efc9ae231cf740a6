"""Where a result comes from: backend, devices, versions, hardware and commit."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil

import involbench
from involbench.errors import UsageError
from involbench.ops import cpu, involution
from involbench.ops.cpu.plan import loops
from involbench.results.benchmarks import Machine
from involbench.results.checks import Check, Status
from involbench.results.record import Hardware


def set_keras_settings() -> None:
    """Reset the settings of keras.json; `training.precision` of a spec sets the types of models."""
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


def gpu_names() -> tuple[str, ...]:
    """The names of the GPUs that the backend sees; empty where it computes on the CPU."""
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
    """Check that the backend sees the device: `"auto"`, `"cpu"`, `"gpu"` or `"gpu:<index>"`.

    The environment of the process must hide the other devices.

    Raises:
        UsageError: A GPU is required, but the backend sees none.
    """
    if device.startswith("gpu") and not gpu_names():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise UsageError(
            f"--device {device} needs a GPU, but {keras.backend.backend()} sees none"
            + (f" with CUDA_VISIBLE_DEVICES={visible}" if visible is not None else ""),
            remedy="use --device cpu, or run `involbench doctor` to check the backend",
        )


def make_reproducible(seed: int, deterministic: bool = True) -> None:
    """Seed all random generators; if `deterministic`, no result depends on the order of threads."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.framework import config  # The public API cannot switch it off.

        if deterministic:
            config.enable_op_determinism()
        else:
            config.disable_op_determinism()


_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}
"""CPU flag on Linux -> vector instructions, by which TensorFlow and compilers choose kernels."""


def versions() -> dict[str, str]:
    """Versions of everything that can change a result."""
    backend = keras.backend.backend()
    return {
        "involbench": involbench.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "keras": keras.__version__,
        "backend": backend,
        backend: version(backend),
        "numpy": version("numpy"),
        **_version_of_numba(),
    }


def _version_of_numba() -> dict[str, str]:
    # The operator runs without numba, and then gives other last digits.
    try:
        return {"numba": version("numba")}
    except PackageNotFoundError:
        return {}


def hardware(devices: int = 1) -> Hardware:
    """The hardware of this machine; `devices` is how many trained together."""
    gpus = gpu_names()
    return Hardware(
        cpu=cpu_name(),
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpus=gpus,
        device=gpus[0] if gpus else "CPU",
        devices=devices,
    )


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that this code runs from, and whether files changed since; or None."""
    folder = Path(involbench.__file__).parent
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(folder, "rev-parse", "HEAD"), "changed": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def cpu_name(info: Path = Path("/proc/cpuinfo")) -> str:
    """The name of the CPU and its widest vectors, which can differ, and so results, under one name.

    By default from the file in which Linux describes it.
    """
    text = info.read_text() if info.exists() else ""
    lines = (line.partition(":") for line in text.splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    name = facts.get("model name") or platform.processor() or platform.machine()
    flags = facts.get("flags", "").split()
    vectors = next((name for flag, name in _VECTORS.items() if flag in flags), None)
    return f"{name} with {vectors}" if vectors else name


_SIDE, _CHANNELS = 5, 16


def examine_backend() -> tuple[tuple[Check, ...], Machine]:
    """Check the device and the operator of the backend; describe the machine as records do."""
    machine = Machine(versions=versions(), hardware=hardware())
    return (_device(machine), _operator(machine)), machine


def _device(machine: Machine) -> Check:
    found = machine.hardware
    processor = (
        f"{found.cpu}, {found.cores} core{'s' * (found.cores > 1)}, {found.memory_gib:g} GiB"
    )
    text = f"{', '.join(found.gpus)}; CPU: {processor}" if found.gpus else f"CPU: {processor}"
    return Check(topic="backend", name="device", status="ok", found=f"{text} of memory")


def _operator(machine: Machine) -> Check:
    def check(status: Status, text: str, remedy: str | None = None) -> Check:
        return Check(topic="backend", name="operator", status=status, found=text, remedy=remedy)

    if not _is_right():
        return check("problem", "it computes wrong results", "report a bug")
    backend = keras.backend.backend()
    if machine.hardware.gpus or backend == "jax":
        return check("ok", f"operations of {backend}")
    if not cpu.available():
        text = "operations of the backend, since numba is missing or does not fit other packages"
        return check("warning", f"{text}: several times slower", "pip install numba")
    if loops("channels").forward.stats.cache_path is None:
        text = "loops compiled by numba, again in each process: numba finds no folder for its cache"
        return check("warning", text, "set NUMBA_CACHE_DIR to a folder that can be written")
    return check("ok", "loops compiled by numba")


def _is_right() -> bool:
    """Whether a window of ones sums up the ones that are inside the image."""
    images = np.ones((1, _SIDE, _SIDE, _CHANNELS), np.float32)
    kernels = np.ones((1, _SIDE, _SIDE, 1, 9), np.float32)
    sums = keras.ops.convert_to_numpy(
        involution(images, kernels, kernel_size=3, data_format="channels_last")
    )
    along = [2, *[3] * (_SIDE - 2), 2]
    return bool(np.allclose(sums, np.outer(along, along)[None, :, :, None]))
