"""How the models of one experiment compare: the schema of `comparison.json`."""

from typing import Any, Final, Literal

from pydantic import Field

from involbench.results.record import Record, Role

COMPARISON_VERSION: Final = 3

Verdict = Literal["higher", "lower", "equal", "undecided", "too few pairs"]
ClaimVerdict = Literal["supported", "refuted", "undecided"]


class Summary(Record):
    """One value a seed, and what they have in common."""

    n: int
    """How many seeds have a value."""
    mean: float | None
    sd: float | None
    """Sample standard deviation; None for fewer than two values."""
    by_seed: dict[int, float | None]


class TrainedPair(Record):
    """Two trained networks on the same test images: this trained pair only, not their kinds."""

    images: int
    only_this_right: int
    only_baseline_right: int
    p: float
    """Of McNemar's exact test, two-sided."""


class Difference(Summary):
    """One model minus another, paired by seed."""

    missing_seeds: tuple[int, ...] = ()
    """Seeds that are no pair, for one of the two has no value, or neither has."""
    interval: tuple[float, float] | None = None
    """The 95% BCa interval of the mean difference; None under three pairs, and for counts."""
    p: float | None = None
    """Of the sign-flip test, two-sided."""
    p_holm: float | None = None
    """Corrected for the number of comparisons of this metric in the experiment."""
    smallest_p: float | None = None
    """The smallest p that so many pairs can reach."""
    superiority: float | None = None
    """The share of pairs in which this model has the better value, or the higher one where
    neither way is better; a tie counts half."""
    verdict: Verdict = "too few pairs"
    """Whether this model's value is higher or lower than the baseline's."""
    notes: tuple[str, ...] = ()
    trained_pair: TrainedPair | None = None
    """Of the test accuracy, where there is only one pair."""

    @property
    def all_equal(self) -> bool:
        """Whether there are pairs, and no difference in any of them."""
        return self.n > 0 and not any(self.by_seed.values())


class ParameterCounts(Record):
    """How many weights a model has."""

    total: int
    trainable: int
    non_trainable: int
    by_role: dict[Role, int]
    """Trainable parameters."""
    operator_layers: tuple[str, ...] = ()
    """The Keras classes of the layers whose role is the operator."""
    macs: int | None = None
    """Multiply-accumulates for one image; None where not every layer is counted."""


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
    fingerprint: str | None
    """SHA-256 of the dataset."""
    experiments: frozenset[str] = Field(frozenset(), exclude=True)
    """Those that its runs were made in; of another folder's runs, more than one."""
    protocol: dict[str, Any] = Field({}, exclude=True)
    """How it was made: the settings of data and training, by key path."""
    metrics: dict[str, Summary]
    parameters: ParameterCounts | None
    differences: dict[str, Difference]
    """This model minus the baseline; empty where there is no baseline, or other test images."""

    def mean(self, metric: str) -> float | None:
        """The mean over seeds; None where nothing is measured."""
        summary = self.metrics.get(metric)
        return summary.mean if summary else None


class ClaimNumbers(Record):
    """What a claim is judged by, at one sweep point."""

    point: dict[str, Any]
    greater: float
    """The mean of the model that is to have more, over the seeds that both have."""
    lesser: float
    beyond: Difference
    """By how much each pair is beyond what is claimed: greater - lesser - difference, or
    greater - ratio * lesser; above zero speaks for the claim."""
    verdict: ClaimVerdict


class ClaimResult(Record):
    """A claim of the spec, held against the runs."""

    says: str
    source: str
    metric: str
    greater: str
    lesser: str
    ratio: float | None
    difference: float | None
    at: dict[str, Any]
    lesser_at: dict[str, Any]
    """Of `at`, where the lesser model is taken elsewhere."""
    verdict: ClaimVerdict
    reason: str
    """What the verdict rests on, or why there is none."""
    numbers: tuple[ClaimNumbers, ...]


class CurvePoint(Record):
    """One model at one value of what is swept."""

    x: float
    n: int
    """Seeds."""
    mean: float
    interval: tuple[float, float] | None
    """The 95% BCa interval of the mean over seeds; None under three."""


class Crossing(Record):
    """Where a model begins, or ceases, to be above the baseline."""

    low: float
    """The swept value before it."""
    high: float
    """The swept value after it."""
    at: float
    """Interpolated between both."""
    certain: bool
    """Whether there is a verdict on both sides of it."""


class Curve(Record):
    """One model over one swept number."""

    model: str
    key: str
    """What is swept, such as data.train_size."""
    at: dict[str, Any]
    """The coordinates of whatever else is swept."""
    metric: str
    points: tuple[CurvePoint, ...]
    crossings: tuple[Crossing, ...]
    """With the baseline's curve."""


class OnFront(Record):
    """A result that no other beats."""

    model: str
    point: dict[str, Any]
    gain: float
    cost: float


class Front(Record):
    """A Pareto front, by cost."""

    gain: str
    """The metric of which more is better."""
    cost: str
    """The metric of which less is better."""
    at: dict[str, Any] = Field({})
    """The coordinates of the data that all its models were trained and tested on."""
    fingerprint: str | None = None
    """SHA-256 of their dataset."""
    members: tuple[OnFront, ...]


class Comparison(Record):
    """The models of one experiment, side by side."""

    schema_version: Literal[3] = COMPARISON_VERSION
    experiment: str
    baseline: str | None
    """The model that the others are held against; None where there are no runs."""
    models: tuple[ModelResult, ...]
    claims: tuple[ClaimResult, ...] = ()
    curves: tuple[Curve, ...] = ()
    """Of the test accuracy, over each number that is swept."""
    fronts: tuple[Front, ...] = ()
    environment: dict[str, tuple[str, ...]]
    """The versions and hardware that the finished runs were made with; several if they differ."""
    warnings: tuple[str, ...]
    settings: dict[str, Any] = Field({}, exclude=True)
    """Key path -> value of what sets its runs apart from the experiment's others; empty where all
    are of one group of settings."""
    is_stated: bool = Field(True, exclude=True)
    """Whether it is of the settings that the spec states, on which gates and claims are judged."""
    why_judged: Literal["", "as spec.yaml states", "the latest"] = Field("", exclude=True)
    """Why it is this group of several on which gates and claims are judged."""

    @property
    def n_runs(self) -> int:
        """Runs that have ended."""
        return sum(result.n_finished + result.n_failed for result in self.models)
