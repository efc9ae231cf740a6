"""One trial: everything that decides one training run, and its name on disk."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, StringConstraints, model_validator

from involbench import registry
from involbench.plugins import as_recorded, source_of
from involbench.schema_types import JsonObject, Name, Seed, StrictModel, omit_if_empty
from involbench.spec.architectures import Architecture, ModelSpec
from involbench.spec.data import DataSpec
from involbench.spec.overrides import EVERY, assigned
from involbench.spec.schema import EvaluateSpec, TrainingSpec

RESULT_VERSION = 8
"""Raised whenever the same trial would give another result than the version before."""


NON_RESULT_FIELDS = {"checkpoint_every", "max_minutes", "distribution"}
"""Keys of `training` that decide when it stops or saves and where it runs, not its result."""


_File = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f\x7f]{1,255}$")]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


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
    """The key paths of the sweep that concern this model, with the values of this trial."""
    plugins: dict[_File, _Sha256] = Field({})
    """The SHA-256 of the plugins that have its operators, architecture or dataset, by file name."""
    candidate: JsonObject = Field({})
    """Of a trial of `tune`: the key paths that are tuned, with the values that it tries."""
    tuned: JsonObject = Field({})
    """Of a trial of the experiment: these key paths, with the values that were best for its model.
    Like `candidate`, they stand in `training`, which decides the run id; these names do not."""

    _omitted = omit_if_empty("candidate", "tuned")

    @model_validator(mode="wrap")
    @classmethod
    def _without_its_plugins(cls, given: Any, handler: Callable[[Any], "Trial"]) -> "Trial":
        """A record can be read without the plugins of its trial."""
        has_plugins = isinstance(given, dict) and given.get("plugins")
        with as_recorded() if has_plugins else nullcontext():
            return handler(given)

    @property
    def kind(self) -> str:
        """The same for two trials of a spec that differ in their seed alone."""
        return f"{self.model} {self.coordinates}"

    @property
    def coordinates(self) -> dict[str, Any]:
        """Those of the sweep, and the candidate."""
        return {**self.point, **self.candidate}

    def training_with(self, values: Mapping[str, Any]) -> TrainingSpec:
        """Its training with other values at some key paths.

        Raises:
            ValueError: They are not valid.
        """
        given = {"training": self.training.model_dump(exclude_unset=True)}
        for key, value in values.items():
            given = assigned(given, tuple(key.split(".")), value)
        return TrainingSpec.model_validate(given["training"])

    def settings(self, fingerprint: str) -> dict[str, Any]:
        """Everything but the seed that decides the result; the fingerprint stands for `data.path`.

        What has its default value is left out, so that a key added to the spec later gives the
        same id to the same trial. A default may therefore change only with `RESULT_VERSION`,
        or as that of `data.validation` did, see `DataSpec.settings`.
        """
        given: dict[str, Any] = {"mode": "json", "exclude_defaults": True}
        conditions = self.evaluate.model_dump(**given)
        return {
            "result_version": RESULT_VERSION,
            "fingerprint": fingerprint,
            "architecture": self.architecture.settings,
            "data": self.data.settings,
            "training": self.training.model_dump(**given, exclude=NON_RESULT_FIELDS),
            **({"evaluate": conditions} if conditions else {}),
            **({"plugins": self.plugins} if self.plugins else {}),
        }

    def run_id(self, fingerprint: str) -> str:
        """`<model>-seed<k>-<hash8>`, the same for the same trial on the same data, always."""
        return run_ids(self.settings(fingerprint))(self)


def run_ids(settings: Mapping[str, Any]) -> Callable[[Trial], str]:
    """The function that gives the run id of each trial with these settings."""
    # The id is a hash of the settings and the seed as JSON with sorted keys.
    before, after = (
        json.dumps(part, sort_keys=True, separators=(",", ":"), allow_nan=False)
        for part in (
            {key: value for key, value in settings.items() if key < "seed"},
            {key: value for key, value in settings.items() if key > "seed"},
        )
    )
    start, end = f'{before[:-1]},"seed":', f",{after[1:]}"

    def run_id(trial: Trial) -> str:
        digest = hashlib.sha256(f"{start}{trial.seed}{end}".encode()).hexdigest()[:8]
        return f"{trial.model}-seed{trial.seed}-{digest}"

    return run_id


def plugins_of(architecture: Architecture, data: DataSpec) -> dict[str, str]:
    """The SHA-256, by file name, of the plugins that a trial needs, of those that are imported."""
    operators = registry.operators()
    entries: list[registry.Registered | None] = [
        registry.architectures().get(architecture.architecture),
        registry.datasets().get(data.dataset),
        *(operators.get(text) for text in _texts(architecture.arguments)),
    ]
    return dict(sorted(filter(None, (source_of(entry) for entry in entries if entry))))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, at any depth; the operators are among them."""
    match value:
        case str():
            yield value
        case dict():
            yield from _texts([*value.values()])
        case list() | tuple():
            for each in value:
                yield from _texts(each)


def shared_coordinates(point: Mapping[str, Any]) -> dict[str, Any]:
    """The coordinates of a sweep point that concern every model, not one of them alone."""
    return relevant_coordinates(point, EVERY)


def relevant_coordinates(point: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The coordinates of a point that concern this model: all but those of other models."""
    return {
        key: value
        for key, value in point.items()
        if not key.startswith("models.") or key.split(".")[1] in (EVERY, model)
    }


def one_seed_each(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The first trial of each kind; all of one spec."""
    first: dict[str, Trial] = {}
    for trial in trials:
        first.setdefault(trial.kind, trial)
    return tuple(first.values())
