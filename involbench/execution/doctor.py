"""Looking at everything that a run needs, without running anything."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from involbench.errors import InvolbenchError, Message
from involbench.execution.ambient import examine_settings
from involbench.execution.backend_choice import (
    Choice,
    cannot_be_imported,
    chosen_backend,
    examine_choice,
    unusable,
)
from involbench.execution.budgets import with_widths
from involbench.execution.client import Worker, working_folder
from involbench.execution.gpus import examine_gpus
from involbench.execution.messages import Notice, Report
from involbench.execution.packages import examine_packages
from involbench.execution.requests import (
    CheckTrials,
    ExamineBackend,
    ExamineDatasets,
    ExamineSource,
)
from involbench.execution.sources import source_of
from involbench.results.benchmark import Machine
from involbench.results.finding import TOPICS, Examination, Finding, failing, finding_of
from involbench.results.folder_check import examine_folder, examine_results
from involbench.spec.expand import expand
from involbench.spec.load import LoadedSpec
from involbench.spec.trial import one_seed_each

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
        with Worker() as worker:
            show(Notice("starting Keras"))
            backend, machine = _backend(choice, worker, show)
            findings += [*backend, *_datasets(worker, show)]
            if loaded is not None:
                findings += _experiment(loaded, worker, machine is not None, show)
    findings.sort(key=lambda finding: TOPICS.index(finding.topic))
    return Examination(findings=tuple(findings), machine=machine)


def _temporary_files() -> Finding:
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        message = Message(str(error.strerror), remedy="set TMPDIR to a folder")
        return finding_of("folders", "temporary files", "problem", message)
    return examine_folder("temporary files", folder, "set TMPDIR to another folder")


def _backend(choice: Choice, worker: Worker, show: Show) -> tuple[list[Finding], Machine | None]:
    """What is found, and the machine where the backend works."""
    wrong = unusable(choice)
    if wrong is not None:
        return [wrong], None
    try:
        found, machine = worker.ask(ExamineBackend(), show)
    except InvolbenchError as error:
        return [cannot_be_imported(choice, str(error))], None
    gpus = examine_gpus(choice.name, len(machine.hardware.gpus))
    return [examine_choice(choice), *found, *([gpus] if gpus else [])], machine


def _datasets(worker: Worker, show: Show) -> tuple[Finding, ...]:
    try:
        found: tuple[Finding, ...] = worker.ask(ExamineDatasets(), show)
    except InvolbenchError as error:
        return (failing("data", "datasets", error),)
    return found


def _experiment(
    loaded: LoadedSpec, worker: Worker, backend_works: bool, show: Show
) -> Iterator[Finding]:
    """The spec's own data, and its models, built as `run` would build them first."""
    trials, at_hand = expand(loaded), True
    for source in dict.fromkeys(source_of(trial.data) for trial in trials):
        if not backend_works and source.path is None:
            continue  # Keras itself loads what it has downloaded.
        try:
            findings: tuple[Finding, ...] = worker.ask(ExamineSource(source), show)
        except InvolbenchError as error:
            findings = (failing("experiment", "data", error),)
        yield from findings
        at_hand = at_hand and findings[0].status == "ok"
        backend_works = backend_works and findings[0].status != "problem"
    if not backend_works:
        return
    try:
        kinds = one_seed_each(with_widths(trials, worker, show))
        faults = worker.ask(CheckTrials(kinds, "auto", as_run=at_hand), show)
    except InvolbenchError as error:
        yield failing("experiment", "trials", error)
        return
    for text in dict.fromkeys(f"{fault.key}: {fault.reason}" for fault in faults):
        yield finding_of("experiment", "trials", "problem", Message(text))
    if not faults:
        models = ", ".join(loaded.spec.models)
        text = f"{models} can be built; {len(trials)} trials"
        yield Finding(topic="experiment", name="trials", status="ok", found=text)
