"""The part of the machine that each of several workers has."""

import os
from dataclasses import dataclass

from involbench.errors import UsageError


def _cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


CORES = _cores()
"""The cores that this process may use."""


@dataclass(frozen=True)
class WorkerResources:
    """What one worker has.

    Args:
        device: `auto`, `cpu`, `gpu` or `gpu:<index>`.
        cores: The cores that it may run on; None for all.
    """

    device: str = "auto"
    cores: tuple[int, ...] | None = None

    def environment(self) -> dict[str, str]:
        """The variables that hide every device but the wanted one."""
        if self.device == "cpu":
            return {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        if self.device.startswith("gpu:"):
            return {"CUDA_VISIBLE_DEVICES": _visible(int(self.device.removeprefix("gpu:")))}
        return {}


ALL = WorkerResources()


def partition(device: str, jobs: int, gpus: tuple[int, ...]) -> list[WorkerResources]:
    """Divide the cores and the GPUs among workers.

    Args:
        device: What each one trains on, where `gpus` is empty.
        jobs: How many workers.
        gpus: The GPUs to give out in turn.

    Raises:
        UsageError: Both a device and GPUs are given.
    """
    if gpus and device not in ("auto", "gpu"):
        raise UsageError(f"--gpus and --device {device} contradict each other; leave one out")
    devices = [f"gpu:{index}" for index in gpus] or [device]
    return [
        WorkerResources(devices[i % len(devices)], _share_of_cores(i, jobs)) for i in range(jobs)
    ]


def _share_of_cores(worker: int, jobs: int) -> tuple[int, ...] | None:
    if jobs == 1:
        return None
    if jobs > len(CORES):
        return (CORES[worker % len(CORES)],)
    return CORES[worker * len(CORES) // jobs : (worker + 1) * len(CORES) // jobs]


def _visible(index: int) -> str:
    """The GPU's name for CUDA: where only some are visible already, indices count among those."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if not visible:
        return str(index)
    return visible[index] if index < len(visible) else "-1"
