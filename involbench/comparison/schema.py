"""The comparison of the models of one experiment: the schema of `comparison.json`."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field

from involbench.registry import MetricKind
from involbench.results.record import Record, Role, RunRecord
from involbench.schema_types import omit_if_empty
from involbench.statistics.estimates import finite, mean, sample_sd

COMPARISON_VERSION: Final = 3

Verdict = Literal["higher", "lower", "equal", "equivalent", "undecided", "too few runs"]
Design = Literal["two arms", "paired", "shares", "interaction"]
ClaimVerdict = Literal["supported", "refuted", "undecided"]


class Summary(Record):
    """One value for each seed, with mean and standard deviation."""

    n: int
    """The number of seeds that have a value."""
    mean: float | None
    sd: float | None
    """Sample standard deviation; None for fewer than two values."""
    by_seed: dict[int, float | None]

    @classmethod
    def of(cls, by_seed: Mapping[int, float | None]) -> "Summary":
        """Summarize the seeds. Values that are None or not finite count as not measured."""
        clean = {seed: finite(by_seed[seed]) for seed in sorted(by_seed)}
        measured = [value for value in clean.values() if value is not None]
        return cls(n=len(measured), mean=mean(measured), sd=sample_sd(measured), by_seed=clean)

    @property
    def values(self) -> tuple[float, ...]:
        """The value of each seed that has one."""
        return tuple(value for value in self.by_seed.values() if value is not None)


class TrainedPair(Record):
    """Two trained networks on the same test images. It says nothing about other seeds."""

    images: int
    only_this_right: int
    only_baseline_right: int
    p: float
    """McNemar's exact test, two-sided."""


class OverImages(Record):
    """A difference in test accuracy, with the error of the test images beside that of the runs."""

    images: int
    standard_error: float
    """What the draw of so many test images adds."""
    interval: tuple[float, float]
    """At the level of the difference: what other runs on other images could give."""


class Ratio(Record):
    """How many times the value of another model, of a time or a size on one machine."""

    times: float
    """The ratio of the means of all runs."""
    low: float
    """The smallest ratio of a run of the one to a run of the other."""
    high: float


class Difference(Summary):
    """One model minus another.

    `by_seed`, `n` and `sd` are of the differences of each seed that both have. `mean` is the
    difference of the means of all values that are compared.
    """

    missing_seeds: tuple[int, ...] = ()
    """Seeds without a pair, because one model or both have no value."""
    design: Design = "two arms"
    """Two independent samples; the differences of each seed; two shares of runs; or a difference
    of two differences."""
    runs: tuple[int, int] = (0, 0)
    """The number of values of this model and of the baseline that are compared."""
    level: float = 0.95
    """Of the interval and the verdict; higher where they are corrected for several comparisons."""
    interval: tuple[float, float] | None = None
    """Of the mean difference: the differences that the test does not reject. None for counts and
    shares, and where so few runs can't give a verdict."""
    p: float | None = None
    """Permutation test, sign-flip test or Fisher's exact test, by the design; two-sided."""
    p_holm: float | None = None
    """p, corrected (Holm) for the number of comparisons in its family."""
    family: int = 1
    """The number of comparisons whose verdicts hold together: those of a metric at one sweep point,
    with the shares of collapsed runs beside accuracies; or those of all claims of a spec."""
    smallest_p: float | None = None
    """The smallest p that this number of runs can give."""
    detectable: float | None = None
    """The difference that so many runs find four times in five, from the spread that they have."""
    margin: float | None = None
    """A difference that is smaller does not matter, as the spec or `--margin` states."""
    equivalent: bool | None = None
    """Whether the difference is smaller than the margin, by two one-sided tests: the interval at
    the level 1 - 2 (1 - `level`), 90% of one comparison, is within it. None without a margin."""
    ratio: Ratio | None = None
    """Of times and sizes, which are not tested over seeds: the verdict is that of all runs, where
    each is on the same side of each run of the baseline."""
    superiority: float | None = None
    """The share of pairs in which this model has the better value; the higher value where the
    metric has no better direction. Of all pairs of runs, unless they are paired by seed. A tie
    counts half."""
    verdict: Verdict = "too few runs"
    """Whether this model's value is higher or lower than the baseline's: what the interval says."""
    notes: tuple[str, ...] = ()
    trained_pair: TrainedPair | None = None
    """For the test accuracy, where each model has one run, of the same seed."""
    over_images: OverImages | None = None
    """For the test accuracy, where the predictions of every run are kept."""
    correlation: float | None = None
    """Pearson's, of the values of the same seeds; for `--paired`, at least three pairs."""
    samples: tuple[tuple[float, ...], ...] = Field(((), ()), exclude=True)
    """The values that are compared; the differences of each seed and nothing if paired; four
    samples in an interaction, see `statistics.contrast`."""

    @property
    def all_equal(self) -> bool:
        """Whether there are pairs and all of them are equal."""
        return self.n > 0 and not any(self.by_seed.values())


class ParameterCounts(Record):
    """The number of parameters of a model."""

    total: int
    trainable: int
    non_trainable: int
    by_role: dict[Role, int]
    """Trainable parameters."""
    operator_layers: tuple[str, ...] = ()
    """The Keras classes of the layers whose role is the operator."""
    macs: int | None = None
    """Multiply-accumulates for one image; None where a layer can't be counted."""
    macs_by_role: dict[Role, int] | None = None


class ModelResult(Record):
    """One model at one sweep point, over its seeds."""

    model: str
    point: dict[str, Any]
    """The coordinates of the sweep that concern this model."""
    tuned: dict[str, Any] = Field({})
    """The keys of `tune`, with what was chosen for this model; its runs were trained with that."""
    n_finished: int
    n_collapsed: int
    """Finished runs that collapsed: their accuracy never left chance."""
    collapse_interval: tuple[float, float] | None = None
    """95% interval (Clopper-Pearson) of the share of runs that collapse."""
    n_failed: int
    runs: dict[int, str]
    """Run id of each finished seed."""
    collapsed_seeds: tuple[int, ...]
    lagging_seeds: tuple[int, ...] = ()
    """Finished runs that learned, but are tested at chance; see `RunRecord.validation_lags`."""
    failures: dict[int, str]
    """The reason for each failed seed."""
    chance: float | None
    """Share of the most frequent class in the test set."""
    fingerprint: str | None
    """SHA-256 of the dataset."""
    experiments: frozenset[str] = Field(frozenset(), exclude=True)
    """The experiments of its runs; several where runs were copied into one folder."""
    protocol: dict[str, Any] = Field({}, exclude=True)
    """Its settings of data and training, by key path."""
    example: RunRecord | None = Field(None, exclude=True)
    """The last run with a complete record of its settings, if there is one."""
    machines: tuple[str, ...] = Field((), exclude=True)
    """The hardware of its finished runs."""
    metrics: dict[str, Summary]
    """Over all finished runs, collapsed or not."""
    learned: dict[str, Summary] = Field({})
    """The same over the runs that learned; only where some collapsed, for metrics that depend on
    it. Differences are of these."""
    parameters: ParameterCounts | None
    differences: dict[str, Difference]
    """This model minus the baseline; empty without a baseline, or with other test images."""

    _omitted = omit_if_empty("tuned", "lagging_seeds")

    def compared(self, metric: str) -> Summary:
        """The values that tables show and differences compare: of the runs that learned."""
        return self.learned.get(metric) or self.metrics.get(metric) or Summary.of({})

    def mean(self, metric: str) -> float | None:
        """Their mean; None where nothing was measured."""
        return self.compared(metric).mean


class WithoutHead(Record):
    """Counts of two models without their heads."""

    greater: int
    lesser: int
    verdict: ClaimVerdict


class ClaimNumbers(Record):
    """The evidence for a claim at one sweep point."""

    point: dict[str, Any]
    greater: float
    """The mean of the model that is claimed to have more. In an interaction, the difference of the
    two models at the first point."""
    lesser: float
    beyond: Difference
    """How far it is above the claimed value: greater - lesser - difference, or
    greater - ratio * lesser. Values above zero support the claim."""
    ratio: Ratio | None = None
    """greater / lesser, of a claim that is measured."""
    without_head: WithoutHead | None = None
    """Of counts that are divided by role."""
    only_learned: bool = False
    """Whether some runs never left chance, which both means leave out."""
    verdict: ClaimVerdict
    runs_to_decide: int | None = None
    """Of an undecided claim: so many runs of each model would decide it four times in five, if the
    difference and the spread are what they are here."""


class Tested(Record):
    """In which setting a claim was tested."""

    data: tuple[str, ...]
    """The datasets, or the folders of the images."""
    train_sizes: tuple[int, ...]
    """Numbers of training images."""
    networks: tuple[str, ...]
    """The architectures."""
    epochs: tuple[int, ...]
    runs: tuple[int, int]
    """The smallest and the largest number of runs of a model at a point."""
    machines: tuple[str, ...]


class ClaimResult(Record):
    """A claim of the spec, tested on the runs."""

    says: str
    source: str
    setting: str | None
    """What the source tested; None where the spec doesn't state it."""
    kind: MetricKind
    """Arithmetic: counts are compared. Measured: on one machine, without a test. Learned: tested
    over seeds."""
    metric: str
    greater: str
    lesser: str
    ratio: float | None
    difference: float | None
    at: dict[str, Any]
    lesser_at: dict[str, Any]
    """The keys of `at` that are different for the lesser model."""
    interaction: tuple[dict[str, Any], ...]
    """The two points of a difference of differences; empty for other claims."""
    tested: Tested | None
    """None where no run has measured the metric."""
    verdict: ClaimVerdict
    reason: str
    """Why there is no verdict; empty where there is one."""
    numbers: tuple[ClaimNumbers, ...]


class CurvePoint(Record):
    """One model at one swept value."""

    x: float
    n: int
    """The number of seeds that learned."""
    collapsed: int = 0
    """The number of other seeds, which the mean leaves out."""
    mean: float
    interval: tuple[float, float] | None
    """95% BCa interval of the mean over seeds; None for fewer than three seeds."""


class Crossing(Record):
    """Where the curve of a model crosses that of the baseline."""

    low: float
    """The swept value before it."""
    high: float
    """The swept value after it."""
    at: float
    """Interpolated between the two."""
    certain: bool
    """Whether there is a verdict on both sides."""


class Curve(Record):
    """One model over one swept key with numbers as values."""

    model: str
    key: str
    """The swept key, such as data.train_size."""
    at: dict[str, Any]
    """The other coordinates of the sweep point."""
    metric: str
    points: tuple[CurvePoint, ...]
    crossings: tuple[Crossing, ...]
    """With the curve of the baseline."""


class OnFront(Record):
    """A result that no other result dominates."""

    model: str
    point: dict[str, Any]
    gain: float
    cost: float


class Front(Record):
    """A Pareto front, sorted by cost."""

    gain: str
    """The metric where higher is better."""
    cost: str
    """The metric where lower is better."""
    at: dict[str, Any] = Field({})
    """The data coordinates that all its models share."""
    fingerprint: str | None = None
    """SHA-256 of their dataset."""
    members: tuple[OnFront, ...]


class Comparison(Record):
    """The models of one experiment, compared with a baseline."""

    schema_version: Literal[3] = COMPARISON_VERSION
    experiment: str
    baseline: str | None
    """None where there are no runs."""
    paired: bool = False
    """Whether models were paired by seed in every metric (`--paired`)."""
    margin: float | None = None
    """A difference in test accuracy that does not matter, as the spec or `--margin` states."""
    primary: str | None = None
    """The model of the spec whose comparison with the baseline is tested first."""
    models: tuple[ModelResult, ...]
    claims: tuple[ClaimResult, ...] = ()
    curves: tuple[Curve, ...] = ()
    """Test accuracy over each swept key with numbers as values."""
    fronts: tuple[Front, ...] = ()
    environment: dict[str, tuple[str, ...]]
    """The versions and hardware of the finished runs; several values where they differ."""
    warnings: tuple[str, ...]
    settings: dict[str, Any] = Field({}, exclude=True)
    """Key path -> value, for the settings in which its runs differ from other runs of the
    experiment; empty where all runs have the same settings."""
    is_stated: bool = Field(True, exclude=True)
    """Whether its runs have the settings of the spec. Gates and claims use this group."""
    why_judged: Literal["", "as spec.yaml states", "the latest"] = Field("", exclude=True)
    """Why gates and claims use this group, where there are several."""

    @property
    def n_runs(self) -> int:
        """Finished and failed runs."""
        return sum(result.n_finished + result.n_failed for result in self.models)
