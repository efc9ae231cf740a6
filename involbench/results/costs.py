"""What benchmarks have measured of a run's network, kept in the run's folder."""

from typing import Literal

from pydantic import ValidationError

from involbench.errors import ResultsError
from involbench.results.benchmark import Machine
from involbench.results.files import read_bytes, write_json
from involbench.results.limits import RECORD
from involbench.results.paths import ResultsPath
from involbench.results.record import Record

Kind = Literal["model", "export"]
_KINDS: tuple[Kind, ...] = ("model", "export")


class RunCosts(Record):
    """`benchmark-model.json` and `benchmark-export.json`: the metrics of one run."""

    schema_version: Literal[1] = 1
    run_id: str
    metrics: dict[str, float]
    """Seconds, bytes, and accuracies as fractions; `<metric>@<condition>` where there are more."""
    together: str
    """When it was measured, UTC, ISO 8601; the same for runs that were timed in alternation."""
    repeats: int
    machine: Machine


def write_costs(folder: ResultsPath, kind: Kind, costs: RunCosts) -> None:
    """Keep what was measured, in place of what was before.

    Raises:
        ResultsError: The run's folder cannot be written.
    """
    write_json(folder / f"benchmark-{kind}.json", costs.model_dump(mode="json"))


def read_costs(folder: ResultsPath) -> list[RunCosts]:
    """What there is of a run. Raises ResultsError where a file cannot be used."""
    return list(costs_by_kind(folder).values())


def costs_by_kind(folder: ResultsPath) -> dict[Kind, RunCosts]:
    """The same by benchmark."""
    return {kind: costs for kind in _KINDS if (costs := _read(folder, kind)) is not None}


def _read(folder: ResultsPath, kind: Kind) -> RunCosts | None:
    path = folder / f"benchmark-{kind}.json"
    if not path.exists():
        return None
    try:
        return RunCosts.model_validate_json(read_bytes(path, RECORD))
    except ValidationError as error:
        raise ResultsError(
            f"{path}: damaged, or another version's; `involbench bench {kind}` makes it again"
        ) from error
