"""The trial of a run that has not ended: kept beside its checkpoints, and deleted with them.

When a run has ended, `run.json` holds its trial.
"""

from pydantic import ValidationError

from involbench.errors import ResultsError
from involbench.results import limits
from involbench.results.files import make_folder, read_bytes, write_json
from involbench.results.paths import ResultsPath
from involbench.spec.trial import Trial

NAME = "checkpoint/trial.json"
"""Relative to the run's folder."""


def write_trial(run_dir: ResultsPath, trial: Trial) -> None:
    """Keep the trial that is about to be run in a folder.

    Raises:
        ResultsError: It cannot be written.
    """
    path = run_dir / NAME
    make_folder(path.parent)
    write_json(path, trial.model_dump(mode="json"))


def read_trial(run_dir: ResultsPath) -> Trial | None:
    """The trial that was begun in a folder; None where nothing tells it."""
    try:
        return Trial.model_validate_json(read_bytes(run_dir / NAME, limits.RECORD))
    except (ResultsError, ValidationError):
        return None
