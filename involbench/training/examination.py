"""What `doctor` asks the backend: what it trains on, and whether the operator works on it."""

import keras
import numpy as np

from involbench.ops import cpu, involution
from involbench.ops.cpu_plan import loops
from involbench.results.benchmark import Machine
from involbench.results.finding import Finding, Status
from involbench.training.provenance import hardware, versions

_SIDE, _CHANNELS = 5, 16


def examine_backend() -> tuple[tuple[Finding, ...], Machine]:
    """The backend's device and operator, and the machine as records describe it."""
    machine = Machine(versions=versions(), hardware=hardware())
    return (_device(machine), _operator(machine)), machine


def _device(machine: Machine) -> Finding:
    here = machine.hardware
    processor = (
        f"{here.cpu}, {here.cores} core{'s' * (here.cores > 1)}, {here.memory_gib:g} GiB of memory"
    )
    found = f"{', '.join(here.gpus)}; beside it {processor}" if here.gpus else f"CPU: {processor}"
    return Finding(topic="backend", name="device", status="ok", found=found)


def _operator(machine: Machine) -> Finding:
    def found(status: Status, text: str, remedy: str | None = None) -> Finding:
        return Finding(topic="backend", name="operator", status=status, found=text, remedy=remedy)

    if not _is_right():
        return found("problem", "it computes something else than it should", "report a bug")
    backend = keras.backend.backend()
    if machine.hardware.gpus or backend == "jax":
        return found("ok", f"operations of {backend}")
    if not cpu.available():
        text = "operations of the backend, since numba is missing or fits no other package here"
        return found("warning", f"{text}: several times slower", "pip install numba")
    if loops("cpu_channels").forward.stats.cache_path is None:
        text = "loops by numba, compiled anew in each process: numba may write nowhere"
        return found("warning", text, "set NUMBA_CACHE_DIR to a folder that can be written")
    return found("ok", "loops that numba has compiled")


def _is_right() -> bool:
    """Whether a window of ones sums up as many ones as lie in the image."""
    images = np.ones((1, _SIDE, _SIDE, _CHANNELS), np.float32)
    kernels = np.ones((1, _SIDE, _SIDE, 1, 9), np.float32)
    sums = keras.ops.convert_to_numpy(
        involution(images, kernels, kernel_size=3, data_format="channels_last")
    )
    along = [2, *[3] * (_SIDE - 2), 2]
    return bool(np.allclose(sums, np.outer(along, along)[None, :, :, None]))
