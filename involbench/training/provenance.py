"""Where a result comes from: versions, hardware, and the code's commit."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras
import psutil

import involbench
from involbench.results.record import Hardware
from involbench.training.device import gpu_names

_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}
"""What Linux calls the vector instructions that TensorFlow and the compilers choose by."""


def versions() -> dict[str, str]:
    """Versions of everything that can change a number."""
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
    # The operator runs without it, and then gives other last bits.
    try:
        return {"numba": version("numba")}
    except PackageNotFoundError:
        return {}


def hardware(devices: int = 1) -> Hardware:
    """The machine, without its name.

    Args:
        devices: How many of its devices did the work together.
    """
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
    """Commit and cleanness of the checkout that this code runs from; None if it is no checkout."""
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
    """The name it has, and its widest vectors: CPUs of one name can differ in them, and so in bits.

    Args:
        info: Where Linux tells of it.
    """
    text = info.read_text() if info.exists() else ""
    lines = (line.partition(":") for line in text.splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    name = facts.get("model name") or platform.processor() or platform.machine()
    flags = facts.get("flags", "").split()
    vectors = next((shown for flag, shown in _VECTORS.items() if flag in flags), None)
    return f"{name} with {vectors}" if vectors else name
