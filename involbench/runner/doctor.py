"""`doctor`: check everything that a run needs, without running anything."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from involbench.errors import InvolbenchError, Message
from involbench.optional_dependencies import fits, install_command, installed, requirements
from involbench.results.benchmarks import Machine
from involbench.results.checks import (
    TOPICS,
    Check,
    Examination,
    Status,
    examine_folder,
    examine_results,
    failing,
    finding_of,
)
from involbench.results.record import BACKENDS
from involbench.runner.plan import resolve_width_matches
from involbench.spec.load import LoadedSpec, expand
from involbench.spec.trial import one_seed_each
from involbench.text import nearest
from involbench.workers.environment import Choice, chosen_backend, examine_settings
from involbench.workers.handlers import (
    check_trials,
    examine_backend,
    examine_datasets,
    examine_source,
)
from involbench.workers.local import WorkerProtocol, start_worker, working_folder
from involbench.workers.protocol import Notice, Show, dataset_key

_MAIN = ("keras", *BACKENDS, "numpy", "numba", "scikit-learn", "matplotlib")
_NOT_CHECKED = frozenset({"dev", "cuda"})
"""Extras that users need not have."""


def examine_packages(backend: str) -> Iterator[Check]:
    """The required packages, but for other backends than this one, and the installed extras."""
    found = {name: installed(name) for name in _MAIN}
    versions = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield finding_of("software", "versions", "ok", Message(versions))
    required = requirements()
    if not required:
        text = "involbench is not installed, so the versions that it needs are not known"
        remedy = "run pip install . in the folder of its pyproject.toml"
        yield finding_of("software", "packages", "warning", Message(text, remedy=remedy))
        return
    others = set(BACKENDS) - {backend}
    yield _needed([r for r in required if r.name not in others])
    yield _check_optional_dependencies()


def _needed(requirements: list[Requirement]) -> Check:
    wrong = [requirement for requirement in requirements if not fits(requirement)]
    if not wrong:
        text = f"all {len(requirements)} are installed, in versions that fit"
        return finding_of("software", "packages", "ok", Message(text))
    names = [f"{r.name} {installed(r.name) or 'is missing'}" for r in wrong]
    # Without numba the operator is slower, with the same results.
    status: Status = "warning" if {r.name for r in wrong} == {"numba"} else "problem"
    message = Message(f"too old or missing: {', '.join(names)}", remedy=install_command(wrong))
    return finding_of("software", "packages", status, message)


def _check_optional_dependencies() -> Check:
    known = sorted(set(metadata("involbench").get_all("Provides-Extra") or []) - _NOT_CHECKED)
    wrong = {extra: [r for r in requirements(extra) if not fits(r)] for extra in known}
    have, missing = ([e for e in known if bool(wrong[e]) == lacks] for lacks in (False, True))
    parts = [", ".join(have)] if have else []
    parts += [f"not installed: {', '.join(missing)}"] if missing else []
    unmet = [requirement for extra in missing for requirement in wrong[extra]]
    message = Message("; ".join(parts), remedy=install_command(unmet) if unmet else None)
    return finding_of("software", "extras", "ok", message)


_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
_DRIVER = Path("/proc/driver/nvidia/gpus")
_WITH_CUDA = {
    "tensorflow": "pip install 'tensorflow[and-cuda]'",
    "jax": "pip install 'jax[cuda12]'",
    "torch": "install the build of PyTorch for CUDA, see pytorch.org",
}


def gpus_of_the_driver() -> list[str]:
    """One line for each GPU, with memory and driver if `nvidia-smi` works."""
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


def examine_gpus(backend: str, seen: int) -> Check | None:
    """The GPUs of the driver; a warning if the backend sees none of them."""
    present = gpus_of_the_driver()
    if not present:
        return None
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    text, remedy = "; ".join(present), None
    if not seen:
        text += f": {backend} sees none"
        remedy = _WITH_CUDA[backend]
        if hidden is not None:
            text += f", because of CUDA_VISIBLE_DEVICES={hidden}"
            remedy = "unset CUDA_VISIBLE_DEVICES"
    name = "NVIDIA GPU" if len(present) == 1 else "NVIDIA GPUs"
    return finding_of("backend", name, "ok" if seen else "warning", Message(text, remedy=remedy))


def examine(loaded: LoadedSpec | None, results: Path, show: Show) -> Examination:
    """Check packages, backend, folders, datasets and an experiment, if given.

    Every failure is a finding, even a worker process that dies.

    Raises:
        UsageError: The working folder does not exist.
    """
    working_folder()
    choice = chosen_backend()
    temporary = _temporary_files()
    findings = [*examine_packages(choice.name), *examine_settings()]
    findings += [*examine_results(results), temporary]
    machine = None
    if temporary.status != "problem":  # A worker needs temporary files.
        with start_worker() as worker:
            show(Notice("starting Keras"))
            backend, machine = _backend(choice, worker, show)
            findings += [*backend, *_datasets(worker, show)]
            if loaded is not None:
                findings += _experiment(loaded, worker, machine is not None, show)
    findings.sort(key=lambda finding: TOPICS.index(finding.topic))
    return Examination(findings=tuple(findings), machine=machine)


def _temporary_files() -> Check:
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        message = Message(str(error.strerror), remedy="set TMPDIR to a folder")
        return finding_of("folders", "temporary files", "problem", message)
    return examine_folder("temporary files", folder, "set TMPDIR to another folder")


def _backend(
    choice: Choice, worker: WorkerProtocol, show: Show
) -> tuple[list[Check], Machine | None]:
    """The findings, and the machine if the backend works."""
    name, chosen = choice.name, f"{choice.name}, {choice.by}"
    wrong = _unusable(choice)
    if wrong is None:
        try:
            found, machine = worker.call(examine_backend, show)
        except InvolbenchError as error:
            remedy = f"KERAS_BACKEND={name} python -c 'import keras' says more; install it again"
            wrong = Message(f"{chosen}: it cannot be started: {error}", remedy=remedy)
    if wrong is not None:
        return [finding_of("backend", "backend", "problem", wrong)], None
    others = [f"{n} {installed(n)}" for n in BACKENDS if n != name and installed(n)]
    there = f"; also installed: {', '.join(others)}" if others else ""
    works = Message(f"{name} {installed(name) or ''}, {choice.by}{there}")
    gpus = examine_gpus(name, len(machine.hardware.gpus))
    return [
        finding_of("backend", "backend", "ok", works),
        *found,
        *([gpus] if gpus else []),
    ], machine


def _unusable(choice: Choice) -> Message | None:
    """What is wrong with a backend that there is no use in starting."""
    name, chosen = choice.name, f"{choice.name}, {choice.by}"
    if name not in BACKENDS:
        remedy = f"set KERAS_BACKEND={nearest(name, BACKENDS) or 'tensorflow'}"
        known = ", ".join(BACKENDS)
        return Message(f"{name!r}, {choice.by}: it is none of {known}", remedy=remedy)
    if find_spec(name) is None:
        there = [each for each in BACKENDS if find_spec(each)]
        others = f", or set KERAS_BACKEND={there[0]}" if there else ""
        return Message(f"{chosen}: not installed", remedy=f"pip install {name}{others}")
    return None


def _datasets(worker: WorkerProtocol, show: Show) -> tuple[Check, ...]:
    try:
        return worker.call(examine_datasets, show)
    except InvolbenchError as error:
        return (failing("data", "datasets", error),)


def _experiment(
    loaded: LoadedSpec, worker: WorkerProtocol, backend_works: bool, show: Show
) -> Iterator[Check]:
    """Check the data of the spec, and build its models as `run` does."""
    trials, complete = expand(loaded), True
    for source in dict.fromkeys(dataset_key(trial.data) for trial in trials):
        if not backend_works and source.path is None:
            continue  # Without the backend, Keras can't load its datasets.
        try:
            findings = worker.call(examine_source, show, source)
        except InvolbenchError as error:
            findings = (failing("experiment", "data", error),)
        yield from findings
        complete = complete and findings[0].status == "ok"
        backend_works = backend_works and findings[0].status != "problem"
    if not backend_works:
        return
    try:
        kinds = one_seed_each(resolve_width_matches(trials, worker, show))
        faults = worker.call(check_trials, show, kinds, "auto", as_run=complete)
    except InvolbenchError as error:
        yield failing("experiment", "trials", error)
        return
    for text in dict.fromkeys(str(error) for _, error in faults):
        yield finding_of("experiment", "trials", "problem", Message(text))
    if not faults:
        models = ", ".join(loaded.spec.models)
        text = f"{models} can be built; {len(trials)} trials"
        yield finding_of("experiment", "trials", "ok", Message(text))
