"""Networks that finished runs have trained, for trials that differ from theirs in the tests alone.

`evaluate` changes how a network is tested, not how it is trained. So a new condition needs no new
training where the weights of an earlier run are there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from involbench.errors import ResultsError
from involbench.results.files import names_in
from involbench.results.paths import ResultsPath
from involbench.results.record import RUN_ID, DataFacts, History, RunRecord
from involbench.results.store import damaged_files
from involbench.results.tree import read_run
from involbench.spec.trial import Trial


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of a finished run."""

    name: str
    """Of the run, below the results folder, such as `depth/runs/cnn-seed0-1a2b3c4d`."""
    record: RunRecord
    facts: DataFacts
    history: History
    weights: ResultsPath
    """Its `model.keras`."""


def trained_network(
    trial: Trial, fingerprint: str, backend: str, experiments: Iterable[ResultsPath]
) -> TrainedNetwork | None:
    """The network of a run with the same model name, seed, data and training; None without one.

    Args:
        trial: What is to be run.
        fingerprint: That of its data.
        backend: The backend of Keras; a network that another one trained is not taken.
        experiments: Folders of experiments; the first run found is taken.
    """
    wanted = _training(trial, fingerprint)
    for folder in _run_folders(trial, experiments):
        try:
            run = read_run(folder)
            record, facts = run.record, run.record.data
            if record.status != "finished" or record.backend != backend or facts is None:
                continue
            if _training(record.trial, facts.fingerprint) != wanted:
                continue
            weights = folder / "model.keras"
            if weights.exists() and not damaged_files(folder, record):
                name = folder.relative_to(ResultsPath(folder.root))
                return TrainedNetwork(name, record, facts, run.history(), weights)
        except ResultsError:  # It is damaged, or of a newer version.
            continue
    return None


def _run_folders(trial: Trial, experiments: Iterable[ResultsPath]) -> Iterator[ResultsPath]:
    for experiment in experiments:
        try:
            names = names_in(experiment / "runs")
        except ResultsError:  # It is a link.
            continue
        for name in names:
            match = RUN_ID.fullmatch(name)
            if match and (match["model"], match["seed"]) == (trial.model, str(trial.seed)):
                yield experiment / "runs" / name


def _training(trial: Trial, fingerprint: str) -> dict[str, Any]:
    """The settings that decide the weights."""
    settings = trial.settings(fingerprint)
    settings.pop("evaluate", None)
    return settings
