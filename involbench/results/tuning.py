"""`tuning/` in the folder of an experiment: the runs of `tune`, and what was chosen by them."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError

from involbench.errors import ResultsError
from involbench.results import limits
from involbench.results.files import make_folder, read_bytes, write_json
from involbench.results.paths import ResultsPath
from involbench.results.record import Record
from involbench.results.record_parsing import fault
from involbench.schema_types import JsonObject
from involbench.spec.trial import Trial
from involbench.text import coordinates, first_of, located

FOLDER = "tuning"
_FILE = "choices.json"


class Candidate(Record):
    """Values of the keys of `tune`, and how well a model learned with them."""

    values: JsonObject
    by_seed: dict[int, float | None]
    """Validation accuracy after the last epoch; None if the run has no result."""
    mean: float | None
    """None if a run has no result: the candidate is out."""

    @property
    def name(self) -> str:
        """Its values."""
        return ", ".join(map(str, self.values.values()))


class Choice(Record):
    """The best candidate of one model at one sweep point."""

    model: str
    point: JsonObject
    values: JsonObject
    """Those of the candidate with the highest mean; of equal ones, of the first in the grid."""
    at_edge: tuple[str, ...] = ()
    """The keys whose value is at the edge of the grid, where a better one may lie beyond."""
    candidates: tuple[Candidate, ...]
    """In the order of the grid."""

    @property
    def summary(self) -> str:
        """The chosen values, with the accuracies of all candidates."""
        means = (
            f"{each.name}: {'no result' if each.mean is None else f'{each.mean:.2%}'}"
            for each in sorted(self.candidates, key=lambda each: -(each.mean or 0))
        )
        return (
            f"{located(self.model, self.point)}: {coordinates(self.values)} is the best of "
            f"{len(self.candidates)} candidates by validation accuracy ({first_of([*means], 5)})"
        )

    @property
    def warning(self) -> str:
        """A warning where the choice is at the edge; empty otherwise."""
        if not self.at_edge:
            return ""
        edge = coordinates({key: self.values.get(key) for key in self.at_edge})
        return (
            f"{located(self.model, self.point)}: the best candidate is at the edge of the grid of "
            f"`tune`, {edge}; a better one may lie beyond"
        )


class Tuning(Record):
    """`tuning/choices.json`: what `tune` chose for each model and sweep point."""

    schema_version: Literal[1] = 1
    seeds: tuple[int, ...]
    choices: tuple[Choice, ...]

    def choice(self, model: str, point: Mapping[str, Any]) -> Choice | None:
        """The choice for a model at a sweep point; None if there is none."""
        found = (each for each in self.choices if each.model == model and each.point == point)
        return next(found, None)

    def tuned(self, trial: Trial) -> dict[str, Any]:
        """The chosen values, if they are those of this trial of the experiment; else nothing.

        A trial does not say so itself where it was trained without `tune`, with the same values.
        """
        choice = self.choice(trial.model, trial.point)
        if choice is None:
            return trial.tuned
        try:
            same = trial.training_with(choice.values) == trial.training
        except ValueError:
            return {}
        return choice.values if same else {}


NO_TUNING = Tuning(seeds=(), choices=())


def read_tuning(experiment: ResultsPath) -> Tuning:
    """What `tune` chose in the folder of an experiment; nothing if there is no such file.

    Raises:
        ResultsError: The file cannot be used.
    """
    path = experiment / FOLDER / _FILE
    if not path.exists():
        return NO_TUNING
    try:
        return Tuning.model_validate_json(read_bytes(path, limits.RECORD))
    except ValidationError as error:
        raise ResultsError(f"{path}: {fault(error)}") from error


def write_tuning(experiment: ResultsPath, tuning: Tuning) -> None:
    """Write what `tune` chose. Raises ResultsError if the folder cannot be written."""
    make_folder(experiment / FOLDER)
    write_json(experiment / FOLDER / _FILE, tuning.model_dump(mode="json"))
