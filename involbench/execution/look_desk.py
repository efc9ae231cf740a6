"""What a worker process does with the network of a finished run, beside `desk`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from involbench.errors import DataError
from involbench.execution.look_requests import (
    ExportRun,
    Look,
    MakeKernels,
    PredictFiles,
    PredictTest,
    Seen,
    TrainedRun,
)
from involbench.results.exports import ExportRecord
from involbench.results.paths import ResultsPath
from involbench.spec.data import DataSpec

if TYPE_CHECKING:
    from involbench.data import Dataset
    from involbench.export.exporting import Deployable
    from involbench.results.looking import Pictures


@dataclass
class LookDesk:
    """Looks at trained networks, and keeps the last one to export."""

    load: Callable[[DataSpec], "Dataset"]
    leaving: dict[tuple[ResultsPath, int], "Deployable"] = field(default_factory=dict)

    def look(self, request: Look) -> Seen:
        from involbench.training.look import answers, kernel_maps
        from involbench.training.pictures import own_pictures

        run = request.run
        match request:
            case PredictFiles(_, files):
                pictures = own_pictures(files, run.facts, run.record.trial.data.resize)
                return answers(run.record, run.facts, run.weights, pictures)
            case PredictTest(_, count):
                pictures = self._tested(run, count)
                return answers(run.record, run.facts, run.weights, pictures)
            case MakeKernels(_, count, chosen, pixel, untrained):
                weights = None if untrained else run.weights
                pictures = self._tested(run, count, chosen)
                return kernel_maps(run.record, run.facts, weights, pictures, pixel)

    def _tested(self, run: TrainedRun, count: int, chosen: tuple[int, ...] = ()) -> "Pictures":
        from involbench.training.pictures import tested_pictures

        with _of_the_run():
            return tested_pictures(self.load(run.record.trial.data), run.facts, count, chosen)

    def export(self, request: ExportRun) -> ExportRecord:
        from involbench.export.exporting import deployable, export

        run, count = request.run, request.count
        key = run.weights, count
        if key not in self.leaving:
            self.leaving.clear()  # One at a time, in all its formats.
            with _of_the_run():
                dataset = self.load(run.record.trial.data)
                self.leaving[key] = deployable(run.record, run.facts, run.weights, dataset, count)
        return export(self.leaving[key], request.form, request.folder)


@contextmanager
def _of_the_run() -> Iterator[None]:
    """Say of a dataset that is missing, or another one by now, whose it was."""
    try:
        yield
    except DataError as error:
        said = error.message
        text = f"the run's images are not at hand: {said.text}"
        raise DataError(text, names=said.names, remedy=said.remedy) from error
