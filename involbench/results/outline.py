"""What can be said of an experiment's spec without validating it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from involbench.errors import ResultsError
from involbench.results.files import read_bytes
from involbench.spec.schema import TrainingSpec


@dataclass(frozen=True)
class Outline:
    """What the spec tells of the order of the models, the baseline, and how long they train."""

    models: tuple[str, ...] = ()
    baseline: str | None = None
    epochs: int | None = None
    """None where they are not the same for all trials."""


def read_outline(experiment: Path) -> Outline:
    """Read `spec.yaml` of an experiment folder.

    Results are compared by their own records, so a spec that is missing, damaged or of another
    version costs nothing but the order of the rows: the outline is then empty.
    """
    try:
        content = yaml.safe_load(read_bytes(experiment / "spec.yaml").decode())
    except (ResultsError, ValueError, yaml.YAMLError, RecursionError):
        return Outline()
    if not isinstance(content, dict):
        return Outline()
    models, baseline = content.get("models"), content.get("baseline")
    return Outline(
        tuple(str(name) for name in models) if isinstance(models, dict) else (),
        baseline if isinstance(baseline, str) else None,
        _epochs(content),
    )


def _epochs(content: dict[Any, Any]) -> int | None:
    training, sweep = content.get("training"), content.get("sweep")
    if isinstance(sweep, dict) and "training.epochs" in sweep:
        return None
    if training is None:
        training = {}
    if not isinstance(training, dict):
        return None
    epochs = training.get("epochs", TrainingSpec().epochs)
    return epochs if type(epochs) is int and epochs > 0 else None
