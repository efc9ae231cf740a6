"""One trial: everything that decides one training run, and its name on disk."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, SerializeAsAny

from involbench.schema_types import JsonObject, Name, Seed, StrictModel
from involbench.spec.architectures import ModelSpec
from involbench.spec.data import DataSpec
from involbench.spec.overrides import EVERY
from involbench.spec.schema import EvaluateSpec, TrainingSpec

RESULT_VERSION = 7
"""Raised whenever the same trial would give another result than the version before."""


NON_RESULT_FIELDS = {"checkpoint_every", "max_minutes", "distribution"}
"""Of the training: what changes when it stops or saves and where it runs, not what comes of it."""


class Trial(StrictModel):
    """One model, one seed, one point of the sweep."""

    experiment: Name
    model: Name
    """The name that the spec gives the model."""
    architecture: ModelSpec
    data: SerializeAsAny[DataSpec]
    training: TrainingSpec
    evaluate: EvaluateSpec = EvaluateSpec()
    seed: Seed
    point: JsonObject = Field({})
    """The sweep's key paths that concern this model, with this trial's values."""

    @property
    def kind(self) -> str:
        """The same for two trials of a spec that differ in their seed alone."""
        return f"{self.model} {self.point}"

    def settings(self, fingerprint: str) -> dict[str, Any]:
        """Everything but the seed that decides the result.

        What has its default value is left out, so that a key added to the spec later gives the
        same id to the same trial. A default may therefore change only with `RESULT_VERSION`.

        Args:
            fingerprint: SHA-256 of the dataset, which stands for `data.path`.
        """
        given: dict[str, Any] = {"mode": "json", "exclude_defaults": True}
        conditions = self.evaluate.model_dump(**given)
        return {
            "result_version": RESULT_VERSION,
            "fingerprint": fingerprint,
            "architecture": self.architecture.model_dump(**given),
            "data": self.data.model_dump(**given, exclude={"path"}),
            "training": self.training.model_dump(**given, exclude=NON_RESULT_FIELDS),
            **({"evaluate": conditions} if conditions else {}),
        }

    def run_id(self, fingerprint: str) -> str:
        """`<model>-seed<k>-<hash8>`, the same for the same trial on the same data, always."""
        return self.run_id_with(self.settings(fingerprint))

    def run_id_with(self, settings: Mapping[str, Any]) -> str:
        """The same, of the trial's settings."""
        decisive = {**settings, "seed": self.seed}
        text = json.dumps(decisive, sort_keys=True, separators=(",", ":"), allow_nan=False)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.model}-seed{self.seed}-{digest}"


def shared_coordinates(point: Mapping[str, Any]) -> dict[str, Any]:
    """The coordinates of a sweep point that concern every model, not one of them alone."""
    return relevant_coordinates(point, EVERY)


def relevant_coordinates(point: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The coordinates of a point that are no other model's own than this one's."""
    return {key: value for key, value in point.items() if _concerns(key.split("."), model)}


def _concerns(parts: Sequence[str], model: str) -> bool:
    return parts[0] != "models" or len(parts) < 2 or parts[1] in (EVERY, model)


def one_seed_each(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The first trial of each kind; all of one spec."""
    first: dict[str, Trial] = {}
    for trial in trials:
        first.setdefault(trial.kind, trial)
    return tuple(first.values())
