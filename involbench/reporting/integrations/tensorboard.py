"""Histories as TensorBoard reads them: a folder a run, a value an epoch."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from involbench.errors import UsageError
from involbench.reporting.integrations import RunRow
from involbench.runner.runner import EpochEnded, Event, TrialEnded

_NAMES = {
    "loss": "loss/train",
    "val_loss": "loss/validation",
    "accuracy": "accuracy/train",
    "val_accuracy": "accuracy/validation",
    "seconds": "seconds an epoch",
}


class TensorBoard:
    """Write event files below a folder, as `<experiment>/<run id>`.

    `option` names the option for messages. Raises UsageError if the folder cannot be made.
    """

    def __init__(self, folder: Path, option: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{option}: cannot make {folder}: {error.strerror}") from error
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def show(self, event: Event) -> None:
        """Write what an epoch or the end of a trial tells; anything else passes by."""
        match event:
            case EpochEnded(started, report, run_id):
                writer = self._writer(f"{started.trial.experiment}/{run_id}")
                _add(writer, report.metrics, report.epoch)
                writer.flush()  # So that it is seen while it trains.
            case TrialEnded(started, record, elsewhere=False):
                self._end(f"{started.trial.experiment}/{record.run_id}", record.metrics)
            case _:
                pass

    def write(self, row: RunRow) -> bool:
        """Write all of a run; False where it is there already."""
        if any((self._folder / row.name).glob("events.out.tfevents.*")):
            return False
        writer = self._writer(row.name)
        for epoch, values in enumerate(row.epochs, start=1):
            _add(writer, values, epoch)
        self._end(row.name, row.metrics)
        return True

    def _writer(self, name: str) -> Any:
        from tensorboardX import SummaryWriter

        if name not in self._writers:
            self._writers[name] = SummaryWriter(str(self._folder / name))
        return self._writers[name]

    def _end(self, name: str, metrics: Mapping[str, float | None]) -> None:
        writer = self._writer(name)
        final = {f"final/{metric.replace('@', ' at ')}": v for metric, v in metrics.items()}
        _add(writer, final, 0)
        writer.close()
        del self._writers[name]


def _add(writer: Any, metrics: Mapping[str, float | None], step: int) -> None:
    for name, value in metrics.items():
        if value is not None and isfinite(value):
            writer.add_scalar(_NAMES.get(name, name), value, step)
