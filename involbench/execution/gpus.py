"""The NVIDIA GPUs of this machine, asked of the driver, and whether the backend sees them."""

import os
import subprocess
from pathlib import Path

from involbench.results.finding import Finding

_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
_DRIVER = Path("/proc/driver/nvidia/gpus")
_WITH_CUDA = {
    "tensorflow": "pip install 'tensorflow[and-cuda]'",
    "jax": "pip install 'jax[cuda12]'",
    "torch": "install the build of PyTorch for CUDA, see pytorch.org",
}


def gpus_of_the_driver() -> list[str]:
    """A line each, with memory and driver where `nvidia-smi` tells; empty where there are none."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True)
        return [line.strip() for line in done.stdout.splitlines() if line.strip()]
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        files = [folder / "information" for folder in sorted(_DRIVER.iterdir())]
        lines = [line for file in files for line in file.read_text().splitlines()]
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]


def examine_gpus(backend: str, seen: int) -> Finding | None:
    """What the driver knows of; a warning where the backend sees none of it.

    Args:
        backend: The one that was asked.
        seen: How many GPUs it sees.
    """
    present = gpus_of_the_driver()
    if not present:
        return None
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    said, remedy = "; ".join(present), None
    if not seen:
        said += f": {backend} sees none"
        remedy = _WITH_CUDA[backend]
        if hidden is not None:
            said += f", for CUDA_VISIBLE_DEVICES={hidden}"
            remedy = "unset CUDA_VISIBLE_DEVICES"
    return Finding(
        topic="backend",
        name="NVIDIA GPU" if len(present) == 1 else "NVIDIA GPUs",
        status="ok" if seen else "warning",
        found=said,
        remedy=remedy,
    )
