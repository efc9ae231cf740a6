"""What a record claims, held against the run's name, its trial, and its history.

A record may come from a stranger. What it says of the data, and of a checkpoint, is checked where
those are read.
"""

import re

from involbench.errors import ResultsError
from involbench.results.record import History, RunRecord
from involbench.results.wording import excerpt

RUN_ID = re.compile(r"(?P<model>[a-z0-9][a-z0-9_-]*)-seed(?P<seed>\d+)-(?P<hash>[0-9a-f]{8})")
"""What a run folder's name is."""
_FRACTIONS = ("test_accuracy", "best_val_accuracy", "macro_f1", "expected_calibration_error")


def check_record(record: RunRecord, folder: str) -> None:
    """Check a record against the name of its folder and its trial.

    Raises:
        ResultsError: They contradict each other.
    """
    if record.run_id != folder:
        raise ResultsError(f"is a copy: it belongs to the run {excerpt(record.run_id)}")
    trial, named = record.trial, RUN_ID.fullmatch(folder)
    if named and (named["model"], named["seed"]) != (trial.model, str(trial.seed)):
        raise ResultsError(f"its trial is of {trial.model}, seed {trial.seed}")
    for name, value in record.metrics.items():
        if name.partition("@")[0] in _FRACTIONS and value is not None and not 0 <= value <= 1:
            raise ResultsError(f"metrics.{excerpt(name, 80)} is {value:.6g}, not between 0 and 1")


def check_history(record: RunRecord, history: History) -> None:
    """Check a history against the record of its run.

    Raises:
        ResultsError: It has more epochs than the run, or columns of different lengths.
    """
    lengths = {len(values) for values in history.values()}
    planned = record.trial.training.epochs
    if len(lengths) > 1:
        raise ResultsError("its columns are not of one length")
    epochs = max(lengths, default=0)
    if epochs > planned:
        raise ResultsError(f"it has {epochs} epochs; the run is of {planned}")
