"""Checking everything that a run needs, without running anything."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from pathlib import Path

from packaging.requirements import Requirement

from involbench.errors import InvolbenchError, Message
from involbench.optional_dependencies import fits, install_command, installed, requirements
from involbench.results.benchmarks import Machine
from involbench.results.checks import (
    TOPICS,
    Check,
    Examination,
    examine_folder,
    examine_results,
    failing,
    finding_of,
)
from involbench.results.record import BACKENDS
from involbench.runner.plan import resolve_width_matches
from involbench.spec.expand import expand
from involbench.spec.load import LoadedSpec
from involbench.spec.trial import one_seed_each
from involbench.workers.backend import (
    Choice,
    cannot_be_imported,
    chosen_backend,
    examine_choice,
    unusable,
)
from involbench.workers.environment import examine_settings
from involbench.workers.handlers import (
    check_trials,
    examine_backend,
    examine_datasets,
    examine_source,
)
from involbench.workers.local import WorkerProtocol, start_worker, working_folder
from involbench.workers.protocol import Notice, Report, dataset_key

_MAIN = ("keras", *BACKENDS, "numpy", "numba", "scikit-learn", "matplotlib")
_OF_NO_USER = frozenset({"dev", "cuda"})
"""Extras that are no question of what is installed."""


def examine_packages(backend: str) -> Iterator[Check]:
    """What is needed, what is too old, and which extras are there.

    Args:
        backend: The one of Keras that is used; the packages of the others are not needed.
    """
    found = {name: installed(name) for name in _MAIN}
    shown = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Check(topic="software", name="versions", status="ok", found=shown)
    asked = requirements()
    if not asked:
        yield Check(
            topic="software",
            name="packages",
            status="warning",
            found="involbench itself is not installed, so nothing tells which versions it needs",
            remedy="pip install . where its pyproject.toml is",
        )
        return
    others = set(BACKENDS) - {backend}
    yield _needed([r for r in asked if r.name not in others])
    yield _extras()


def _needed(requirements: list[Requirement]) -> Check:
    wrong = [requirement for requirement in requirements if not fits(requirement)]
    if not wrong:
        text = f"all {len(requirements)} are there, in versions that fit"
        return Check(topic="software", name="packages", status="ok", found=text)
    said = [f"{r.name} {installed(r.name) or 'is missing'}" for r in wrong]
    # Without numba the operator is slower, and gives the same.
    only_slower = {requirement.name for requirement in wrong} == {"numba"}
    return Check(
        topic="software",
        name="packages",
        status="warning" if only_slower else "problem",
        found=f"too old or missing: {', '.join(said)}",
        remedy=install_command(wrong),
    )


def _extras() -> Check:
    known = sorted(set(metadata("involbench").get_all("Provides-Extra") or []) - _OF_NO_USER)
    wrong = {extra: [r for r in requirements(extra) if not fits(r)] for extra in known}
    have, missing = ([e for e in known if bool(wrong[e]) == lacks] for lacks in (False, True))
    said = [", ".join(have)] if have else []
    said += [f"not installed: {', '.join(missing)}"] if missing else []
    unmet = [requirement for extra in missing for requirement in wrong[extra]]
    return Check(
        topic="software",
        name="extras",
        status="ok",
        found="; ".join(said),
        remedy=install_command(unmet) if unmet else None,
    )


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


def examine_gpus(backend: str, seen: int) -> Check | None:
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
    return Check(
        topic="backend",
        name="NVIDIA GPU" if len(present) == 1 else "NVIDIA GPUs",
        status="ok" if seen else "warning",
        found=said,
        remedy=remedy,
    )


Show = Callable[[Report], None]


def examine(loaded: LoadedSpec | None, results: Path, show: Show) -> Examination:
    """Look at packages, backend, folders, datasets and, where there is one, an experiment.

    What fails, down to a worker process that dies, is a finding.

    Args:
        loaded: The experiment.
        results: The results folder.
        show: Takes what is being done.

    Raises:
        UsageError: The working folder is gone.
    """
    working_folder()
    choice = chosen_backend()
    temporary = _temporary_files()
    findings = [*examine_packages(choice.name), *examine_settings()]
    findings += [*examine_results(results), temporary]
    machine = None
    if temporary.status != "problem":  # A worker needs them.
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
    """What is found, and the machine where the backend works."""
    wrong = unusable(choice)
    if wrong is not None:
        return [wrong], None
    try:
        found, machine = worker.call(examine_backend, show)
    except InvolbenchError as error:
        return [cannot_be_imported(choice, str(error))], None
    gpus = examine_gpus(choice.name, len(machine.hardware.gpus))
    return [examine_choice(choice), *found, *([gpus] if gpus else [])], machine


def _datasets(worker: WorkerProtocol, show: Show) -> tuple[Check, ...]:
    try:
        return worker.call(examine_datasets, show)
    except InvolbenchError as error:
        return (failing("data", "datasets", error),)


def _experiment(
    loaded: LoadedSpec, worker: WorkerProtocol, backend_works: bool, show: Show
) -> Iterator[Check]:
    """The spec's own data, and its models, built as `run` would build them first."""
    trials, at_hand = expand(loaded), True
    for source in dict.fromkeys(dataset_key(trial.data) for trial in trials):
        if not backend_works and source.path is None:
            continue  # Keras itself loads what it has downloaded.
        try:
            findings = worker.call(examine_source, show, source)
        except InvolbenchError as error:
            findings = (failing("experiment", "data", error),)
        yield from findings
        at_hand = at_hand and findings[0].status == "ok"
        backend_works = backend_works and findings[0].status != "problem"
    if not backend_works:
        return
    try:
        kinds = one_seed_each(resolve_width_matches(trials, worker, show))
        faults = worker.call(check_trials, show, kinds, "auto", as_run=at_hand)
    except InvolbenchError as error:
        yield failing("experiment", "trials", error)
        return
    for text in dict.fromkeys(f"{fault.key}: {fault.reason}" for fault in faults):
        yield finding_of("experiment", "trials", "problem", Message(text))
    if not faults:
        models = ", ".join(loaded.spec.models)
        text = f"{models} can be built; {len(trials)} trials"
        yield Check(topic="experiment", name="trials", status="ok", found=text)
