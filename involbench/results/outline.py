"""What can be said of an experiment's spec without validating it."""

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Outline:
    """The order of the models and the baseline, as far as the spec tells them."""

    models: tuple[str, ...] = ()
    baseline: str | None = None


def read_outline(experiment: Path) -> Outline:
    """Read `spec.yaml` of an experiment folder.

    Results are compared by their own records, so a spec that is missing, damaged or of another
    version costs nothing but the order of the rows: the outline is then empty.
    """
    try:
        content = yaml.safe_load((experiment / "spec.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return Outline()
    if not isinstance(content, dict):
        return Outline()
    models, baseline = content.get("models"), content.get("baseline")
    return Outline(
        tuple(str(name) for name in models) if isinstance(models, dict) else (),
        baseline if isinstance(baseline, str) else None,
    )
