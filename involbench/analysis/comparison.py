"""How the models of one experiment compare: the schema of `comparison.json`."""

from typing import Any, Final, Literal

from involbench.results.record import Record, Role

COMPARISON_VERSION: Final = 1

METRICS = ("test_accuracy", "best_val_accuracy", "test_loss", "seconds_per_epoch")
"""The keys of `RunRecord.metrics` that are summarized over seeds."""


class Summary(Record):
    """One value a seed, and what they have in common."""

    n: int
    """How many seeds have a value."""
    mean: float | None
    sd: float | None
    """Sample standard deviation; None for fewer than two values."""
    by_seed: dict[int, float | None]


class ParameterCounts(Record):
    """How many weights a model has."""

    total: int
    trainable: int
    non_trainable: int
    by_role: dict[Role, int]
    """Trainable parameters."""


class ModelResult(Record):
    """One model at one point of the sweep, over its seeds."""

    model: str
    point: dict[str, Any]
    """The sweep's coordinates that concern this model."""
    n_finished: int
    n_collapsed: int
    """Of the finished ones; they are part of every mean."""
    n_failed: int
    runs: dict[int, str]
    """Run id of each finished seed."""
    collapsed_seeds: tuple[int, ...]
    failures: dict[int, str]
    """What each failed seed failed of."""
    chance: float | None
    """Share of the most frequent class in the test set."""
    metrics: dict[str, Summary]
    parameters: ParameterCounts | None
    differences: dict[str, Summary]
    """This model minus the baseline, paired by seed; empty where there is no baseline."""


class Comparison(Record):
    """The models of one experiment, side by side."""

    schema_version: Literal[1] = COMPARISON_VERSION
    experiment: str
    baseline: str | None
    """The model that the others are held against; None where there are no runs."""
    models: tuple[ModelResult, ...]
    environment: dict[str, tuple[str, ...]]
    """The versions and hardware that the finished runs were made with; several if they differ."""
    warnings: tuple[str, ...]
