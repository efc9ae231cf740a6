"""What a worker has of the machine: cores, devices, and the settings of the user.

A worker starts in an environment of its own, which `worker_environment` makes. A setting that
reaches a library past the spec is

- ignored if it would make another training of the same spec: another precision, another network,
  fewer epochs, a debug mode. The worker does not see it, or has the value that involbench sets.
- recorded if it may differ for a good reason and can change the last digits: thread counts, vector
  instructions, TF32, compiler flags. The worker has it, `run.json` has it, `compare` warns.
- used if no result depends on it: a folder, a device, memory, a log level.

In the families of `RULES` that end in `*`, what no other rule names is ignored: a later version of
a library may give it any meaning. Variables outside of all families are left alone.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from involbench.errors import Message, UsageError
from involbench.results.checks import Check, finding_of
from involbench.results.record import BACKENDS

_ALLOWED = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
CORES = tuple(sorted(_ALLOWED or range(os.cpu_count() or 1)))
"""The cores that this process may use."""


@dataclass(frozen=True)
class WorkerResources:
    """A device (`auto`, `cpu`, `gpu` or `gpu:<index>`) and cores (None for all) of one worker."""

    device: str = "auto"
    cores: tuple[int, ...] | None = None

    def environment(self) -> dict[str, str]:
        """The variables that hide every device but the wanted one."""
        if self.device == "cpu":
            return {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        if self.device.startswith("gpu:"):
            # Where only some are visible already, indices count among those.
            index = int(self.device.removeprefix("gpu:"))
            visible = [
                name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name
            ]
            known = visible[index] if index < len(visible) else "-1"
            return {"CUDA_VISIBLE_DEVICES": known if visible else str(index)}
        return {}


ALL = WorkerResources()


def is_device(text: str) -> bool:
    """Whether it is `auto`, `cpu`, `gpu` or `gpu:<index>`."""
    kind, _, index = text.partition(":")
    return text in ("auto", "cpu", "gpu") or (kind == "gpu" and index.isdigit())


def partition(device: str, jobs: int, gpus: tuple[int, ...]) -> list[WorkerResources]:
    """Divide the cores among workers, and the GPUs in turn; without GPUs, all have the device.

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


Fate = Literal["ignored", "recorded", "used"]

USUAL = {
    # Workers may share a GPU, so that none takes all of its memory at its start.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    # How many threads share a sum decides its last bits. So there are as many as the machine has
    # cores, on however few of them a worker runs.
    "TF_NUM_INTRAOP_THREADS": str(len(CORES)),
    "PJRT_NPROC": str(len(CORES)),
    "OMP_NUM_THREADS": str(len(CORES)),
    # Threads of PyTorch that wait must not keep the cores from those that they wait for.
    "OMP_WAIT_POLICY": "passive",
    # TensorFlow itself turns oneDNN on only for CPUs that have instructions for networks; on others
    # too networks train faster with it.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # Huge pages where the kernel grants them to who asks: on CPU each step frees its temporaries,
    # and the next one has the kernel clear their pages anew, 4 KiB at a time otherwise.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""What a worker has where the user has set nothing."""

_FIXED = {
    "KERAS_NNX_ENABLED": "0",  # It overrides keras.json.
    # These override `.numba_config.yaml` in the working folder.
    "NUMBA_BOUNDSCHECK": "0",
    "NUMBA_DEBUGINFO": "0",
    "NUMBA_DISABLE_JIT": "0",
    "NUMBA_LOOP_VECTORIZE": "1",
    "NUMBA_OPT": "3",
    "NUMBA_SLP_VECTORIZE": "0",
}
"""What a worker has whatever the user has set."""

_DEFAULTS_OF_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "nnx_enabled": False,
}
"""Of keras.json; `involbench.training.provenance` sets them."""

RULES: tuple[tuple[Fate, str], ...] = (
    ("used", "KERAS_BACKEND KERAS_HOME"),
    ("ignored", "KERAS_*"),
    # TensorFlow. What it calls deterministic is `training.deterministic` of the spec.
    ("used", "TF_CPP_* TF_FORCE_GPU_ALLOW_GROWTH TF_FORCE_UNIFIED_MEMORY TF_GPU_*"),
    ("used", "TF_NUM_INTEROP_THREADS TF_CPU_ALLOCATOR_USE_BFC TF_CPU_BFC_MEM_LIMIT_IN_MB"),
    ("used", "TF_MKL_ALLOC_MAX_BYTES TF_ONEDNN_USE_SYSTEM_ALLOCATOR TF_PER_DEVICE_MEMORY_LIMIT_MB"),
    ("used", "TF_DEVICE_MIN_SYS_MEMORY_IN_MB TF_MIN_GPU_MULTIPROCESSOR_COUNT"),
    ("recorded", "TF_NUM_INTRAOP_THREADS TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD TF_XLA_FLAGS"),
    ("recorded", "TF_ENABLE_ONEDNN_OPTS TF_ENABLE_ZENDNN_OPTS TF_SET_ONEDNN_FPMATH_MODE"),
    ("recorded", "TF_CUDNN_USE_* TF_CUDNN_WORKSPACE_LIMIT_IN_MB TF_CUBLAS_WORKSPACE_LIMIT_IN_MB"),
    ("recorded", "TF_CUDNN_DISABLE_CONV_1X1_OPTIMIZATION TF_USE_CUBLASLT TF_MATMUL_AUTOTUNE_*"),
    ("recorded", "TF_ENABLE_WINOGRAD_NONFUSED TF_USE_CUDNN_BATCHNORM_SPATIAL_PERSISTENT"),
    ("ignored", "TF_* TF2_*"),
    # XLA, which compiles for TensorFlow and JAX, and JAX.
    ("recorded", "XLA_FLAGS PJRT_NPROC"),
    ("used", "XLA_PYTHON_CLIENT_* XLA_CLIENT_* XLA_PJRT_GPU_*"),
    ("ignored", "XLA_*"),
    ("used", "JAX_PLATFORMS JAX_PLATFORM_NAME JAX_*_VISIBLE_DEVICES JAX_NUM_CPU_DEVICES"),
    ("used", "JAX_COMPILATION_CACHE_* JAX_PERSISTENT_CACHE_* JAX_ENABLE_COMPILATION_CACHE"),
    ("used", "JAX_LOG* JAX_TRACEBACK_FILTERING"),
    ("recorded", "JAX_DEFAULT_MATMUL_PRECISION JAX_OPTIMIZATION_LEVEL"),
    ("recorded", "JAX_EXEC_TIME_OPTIMIZATION_EFFORT JAX_MEMORY_FITTING_*"),
    ("recorded", "JAX_COMPILER_ENABLE_REMAT_PASS"),
    ("ignored", "JAX_*"),
    # PyTorch.
    ("used", "TORCH_HOME TORCH_LOGS TORCH_SHOW_* TORCHINDUCTOR_CACHE_DIR TORCH_NCCL_*"),
    ("used", "PYTORCH_ALLOC_CONF PYTORCH_*_ALLOC_CONF PYTORCH_NO_*_MEMORY_CACHING"),
    ("recorded", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE TORCH_BLAS_PREFER_* TORCH_LINALG_PREFER_*"),
    ("recorded", "TORCH_CUDNN_USE_HEURISTIC_MODE_B TORCH_CUDNN_V8_API_DISABLED"),
    ("recorded", "TORCH_MKLDNN_MATMUL_MIN_* ATEN_CPU_CAPABILITY"),
    ("ignored", "TORCH_* TORCHDYNAMO_* TORCHINDUCTOR_* PYTORCH_*"),
    # numba. Its number of threads decides who computes an image, not how.
    ("used", "NUMBA_CACHE_* NUMBA_NUM_THREADS"),
    ("recorded", "NUMBA_CPU_NAME NUMBA_CPU_FEATURES NUMBA_ENABLE_AVX"),
    ("ignored", "NUMBA_*"),
    # matplotlib; `involbench.reporting.plots.figure` sees to the process that draws.
    ("used", "MPLCONFIGDIR"),
    ("ignored", "MPLBACKEND"),
    # What libraries share: threads, vector instructions, precision of products.
    ("recorded", "OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_DYNAMIC MKL_NUM_THREADS MKL_DYNAMIC"),
    ("recorded", "MKL_DOMAIN_NUM_THREADS MKL_CBWR MKL_ENABLE_INSTRUCTIONS MKL_DISABLE_FAST_MM"),
    ("recorded", "ONEDNN_MAX_CPU_ISA DNNL_MAX_CPU_ISA ONEDNN_DEFAULT_FPMATH_MODE"),
    ("recorded", "DNNL_DEFAULT_FPMATH_MODE OPENBLAS_NUM_THREADS OPENBLAS_CORETYPE"),
    ("recorded", "NPY_DISABLE_CPU_FEATURES NPY_ENABLE_CPU_FEATURES NVIDIA_TF32_OVERRIDE"),
    ("recorded", "CUBLAS_WORKSPACE_CONFIG CUDNN_CONV_WSCAP_DBG GLIBC_TUNABLES"),
    ("used", "CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER OMP_WAIT_POLICY"),
)
"""The first rule that fits a variable decides; a rule may have several patterns."""

_PATTERNS = [(fate, pattern) for fate, patterns in RULES for pattern in patterns.split()]


@dataclass(frozen=True)
class Setting:
    """One that was found."""

    name: str
    """Of the variable, or of the file with the name of its entry."""
    value: str
    fate: Fate

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.value else self.name


def fate_of(name: str) -> Fate | None:
    """What becomes of an environment variable; None where it is left alone."""
    return next((fate for fate, pattern in _PATTERNS if fnmatchcase(name, pattern)), None)


def worker_environment(found: Mapping[str, str]) -> dict[str, str]:
    """The variables with which a worker starts where the user has these."""
    kept = {name: value for name, value in found.items() if fate_of(name) != "ignored"}
    return {**USUAL, **kept, **_FIXED}


def recorded(found: Mapping[str, str]) -> dict[str, str]:
    """The variables that can change last digits and are not as usual, as text for JSON."""
    return {
        name: os.fsencode(value).decode(errors="replace")
        for name, value in sorted(found.items())
        if fate_of(name) == "recorded" and value != USUAL.get(name)
    }


def ambient_settings() -> Iterator[Setting]:
    """What this process finds: variables first, then files."""
    for name, value in sorted(os.environ.items()):
        fate = fate_of(name)
        if fate == "recorded" and value == USUAL.get(name):
            continue
        if fate is not None:
            yield Setting(name, value, fate)
    yield from _of_keras()
    for path in _files():
        yield Setting(str(path), "", "ignored")


def examine_settings() -> Iterator[Check]:
    """What `doctor` says of the settings: one finding for those with the same fate."""
    found = [*ambient_settings()]
    for fate in get_args(Fate):
        if named := [str(setting) for setting in found if setting.fate == fate]:
            what = " (can change last digits; `compare` warns of it)" if fate == "recorded" else ""
            yield finding_of("environment", fate, "ok", Message(f"{', '.join(named)}{what}"))
    if not found:
        yield finding_of("environment", "settings", "ok", Message("none for libraries"))


def keras_json() -> tuple[Path, dict[str, Any]]:
    """Where Keras looks for its settings, and what there is; empty where it can't be read."""
    path = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        content = None
    return path, content if isinstance(content, dict) else {}


@dataclass(frozen=True)
class Choice:
    """The name of a backend, and who chose it."""

    name: str
    by: str


def chosen_backend() -> Choice:
    """The backend that Keras will use, by its own rules: KERAS_BACKEND, keras.json, TensorFlow."""
    if name := os.environ.get("KERAS_BACKEND"):
        return Choice(name, "chosen by KERAS_BACKEND")
    file, config = keras_json()
    name = config.get("backend")
    if isinstance(name, str) and name != "tensorflow":
        return Choice(name, f"chosen by {file}")
    return Choice("tensorflow", "the default")


def _of_keras() -> Iterator[Setting]:
    path, content = keras_json()
    for name, usual in _DEFAULTS_OF_KERAS.items():
        if content.get(name, usual) != usual:
            yield Setting(f"{path}: {name}", str(content[name]), "ignored")
    backend = content.get("backend")
    if backend in BACKENDS[1:] and not os.environ.get("KERAS_BACKEND"):
        yield Setting(f"{path}: backend", str(backend), "used")


def _files() -> Iterator[Path]:
    """Files by which libraries are configured and involbench is not."""
    if sys.platform.startswith(("linux", "freebsd")):
        home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config", "matplotlib")
    else:
        home = Path("~/.matplotlib")
    named = Path(os.environ.get("MATPLOTLIBRC", ""))
    folders = (Path(), named, Path(os.environ.get("MPLCONFIGDIR") or home))
    candidates = [named, *(folder / "matplotlibrc" for folder in folders)]
    candidates.append(Path(".numba_config.yaml"))
    yield from dict.fromkeys(p for p in (c.expanduser() for c in candidates) if p.is_file())
