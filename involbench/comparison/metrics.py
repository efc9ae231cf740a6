"""The metrics, and one finished run -> its value of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isclose, isfinite
from statistics import fmean, median
from typing import Any

from involbench import registry
from involbench.comparison.schema import ParameterCounts
from involbench.errors import RegistryError, ResultsError
from involbench.registry import Metric
from involbench.results.benchmarks import (
    FORMATS,
    MeasuredExport,
    ModelsMemory,
    ModelTimes,
    read_benchmarks,
)
from involbench.results.record import INPUT_WAIT, History
from involbench.results.tree import StoredRun
from involbench.spec.claims import takes_target, target_fault, target_of
from involbench.text import suggest

ACCURACY, SIZE, COLLAPSED = "test_accuracy", "trainable_parameters", "collapsed"
_SEVERITIES = ("noise", "blur", "contrast", "shift")
"""The conditions of `evaluate` whose values are severities of one change."""


METRICS: dict[str, Metric] = {
    ACCURACY: Metric("test accuracy", "accuracy %", "percent", "higher"),
    "best_val_accuracy": Metric("best validation accuracy", "best val %", "percent", "higher"),
    "test_loss": Metric("test loss", "loss", "plain", "lower"),
    **{
        name: registry.prediction_metrics()[name].metric
        for name in ("macro_f1", "expected_calibration_error")
    },
    "generalization_gap": Metric(
        "generalization gap", "gap %", "percent", "lower", favors_constant_predictor=True
    ),
    "accuracy_drop": Metric(
        "loss of accuracy", "drop %", "percent", "lower", favors_constant_predictor=True
    ),
    "accuracy_kept": Metric(
        "share of accuracy kept", "kept %", "percent", "higher", favors_constant_predictor=True
    ),
    **{
        f"{kind}_accuracy_kept": Metric(
            f"mean share of accuracy kept over all values of {kind}",
            f"kept %, {kind}",
            "percent",
            "higher",
            favors_constant_predictor=True,
        )
        for kind in _SEVERITIES
    },
    "agreement": Metric(
        "agreement with itself", "agreement %", "percent", "higher", favors_constant_predictor=True
    ),
    "agreement_if_correct": Metric(
        "agreement with itself where it was right",
        "kept right %",
        "percent",
        "higher",
        favors_constant_predictor=True,
    ),
    COLLAPSED: Metric("share of collapsed runs", "collapsed %", "percent", "lower"),
    "best_epoch": Metric("best epoch", "best epoch", "epochs"),
    "epochs_to": Metric("time", "epochs", "epochs", "lower"),
    "seconds_to": Metric("time", "s", "seconds", "lower"),
    "seconds_per_epoch": Metric("time an epoch", "s/epoch", "seconds", "lower"),
    INPUT_WAIT: Metric("share of time waiting for images", "input wait %", "percent", "lower"),
    "latency": Metric("latency", "latency ms", "milliseconds", "lower"),
    "step_time": Metric("time a training step", "step ms", "milliseconds", "lower"),
    "peak_memory": Metric("peak memory", "peak memory", "bytes", "lower"),
    "step_memory": Metric("peak memory of a training step", "step memory", "bytes", "lower"),
    "model_size": Metric("size on disk", "size on disk", "bytes", "lower"),
    "total_parameters": Metric("number of parameters", "parameters", "count", "lower", exact=True),
    SIZE: Metric("number of trainable parameters", "trainable", "count", "lower", exact=True),
    "operator_parameters": Metric(
        "number of operator parameters", "operator", "count", "lower", exact=True
    ),
    "macs": Metric("number of multiply-accumulates", "MACs", "count", "lower", exact=True),
    **{
        f"{form}_latency": Metric(f"{form} latency", f"{form} ms", "milliseconds", "lower")
        for form in FORMATS
    },
    **{
        f"{form}_size": Metric(f"size as {form}", f"{form} size", "bytes", "lower")
        for form in FORMATS
    },
    **{
        f"{form}_accuracy": Metric(f"accuracy as {form}", f"{form} %", "percent", "higher")
        for form in FORMATS
    },
}
"""The names are those of `RunRecord.metrics`, and of what other files of a run give."""


def known_metrics() -> dict[str, Metric]:
    """All metrics by name: the built-in ones first."""
    users = registry.prediction_metrics().keys() - METRICS.keys()
    return METRICS | {name: registry.prediction_metrics()[name].metric for name in sorted(users)}


def metric(name: str) -> Metric:
    """The description of a metric; a metric unknown here is a plain number.

    `test_accuracy@noise=0.1` is `test_accuracy` on corrupted test images, see `evaluate`.
    `epochs_to@val_accuracy=0.7` is the first epoch with a validation accuracy of 0.7 or more.
    """
    base, _, condition = name.partition("@")
    plain = base.replace("_", " ")
    found = METRICS.get(base) or known_metrics().get(base) or Metric(plain, plain)
    if (target := target_of(name)) is not None:
        reached = f"to {100 * target:g}%"
        title = f"{found.title} {reached} validation accuracy"
        return replace(found, title=title, header=f"{found.header} {reached}")
    if not condition:
        return found
    words = condition.replace("_", " ").replace("=", " ")
    return replace(found, title=f"{found.title} at {words}", header=f"{found.header} @{condition}")


_BENCHMARKED = {
    **dict.fromkeys(("latency", "step_time", "peak_memory", "step_memory"), "model"),
    **{f"{form}_{what}": "export" for form in FORMATS for what in ("latency", "size", "accuracy")},
}
"""Metric -> the benchmark that measures it."""


def depends_on_learning(name: str) -> bool:
    """Whether a run that never left chance has another value than one that learned.

    Its time and size are the same, and its share is a metric of its own.
    """
    base = name.partition("@")[0]
    of_run = metric(name).unit in ("seconds", "milliseconds", "bytes", "count")
    return not of_run and base not in (COLLAPSED, INPUT_WAIT)


def suggestion(name: str) -> str:
    """The end of a message about a metric that no run has; may be empty."""
    base, _, condition = name.partition("@")
    if base in _BENCHMARKED:
        return f"run `involbench bench {_BENCHMARKED[base]} EXPERIMENT` to measure it"
    if takes_target(name):
        return target_fault(name) or "no run reached the accuracy"
    if base not in (known := known_metrics()):
        return suggest(base, [name for name in known if name not in _BENCHMARKED])
    if not condition:
        return ""
    kind, _, value = condition.partition("=")
    return f"add evaluate: {{{kind}: [{value}]}} to the spec to measure it"


def model_metrics(times: ModelTimes, memory: ModelsMemory, step_batch: int) -> dict[str, float]:
    """Median seconds and bytes: `<metric>` for one image, `<metric>@batch=N` for N images."""
    found = {_at("latency", batch): median(values) for batch, values in times.seconds.items()}
    for batch, peak in memory.peak_bytes[times.name].items():
        found[_at("peak_memory", batch)] = peak
    found[_at("step_time", step_batch)] = median(times.step_seconds)
    step = memory.step_bytes[times.name]
    return found if step is None else {**found, _at("step_memory", step_batch): step}


def export_metrics(exports: Iterable[MeasuredExport]) -> dict[str, float]:
    """`<format>_latency` (seconds with one thread), `_size` and `_accuracy` of each format."""
    found = dict[str, float]()
    for export in exports:
        form, record = export.record.format, export.record
        for threads, values in export.seconds.items():
            name = f"{form}_latency" if threads == 1 else f"{form}_latency@threads={threads}"
            found[name] = median(values)
        found[f"{form}_size"] = record.size_bytes
        found[f"{form}_accuracy"] = record.accuracy
    return found


def _at(metric: str, batch: int) -> str:
    return metric if batch == 1 else f"{metric}@batch={batch}"


Values = dict[str, float | None]


@dataclass(frozen=True)
class MetricSelection:
    """The metrics to read. The larger files of a run are read only for metrics that need them."""

    metrics: frozenset[str] | None = None
    """None for all."""
    compared: frozenset[str] | None = None
    """The metrics to compare with the baseline; None for all."""
    named: frozenset[str] = frozenset()
    """Metrics to read in any case. Metrics with a target, such as
    `epochs_to@val_accuracy=0.7`, are read only if they are named."""

    def includes(self, name: str) -> bool:
        """Whether the metric is selected."""
        return self.metrics is None or name in self.names

    @cached_property
    def names(self) -> frozenset[str]:
        """The metrics by name, where not all are selected."""
        return self.named.union(self.metrics or ())

    @cached_property
    def targets(self) -> dict[str, float]:
        """Metric -> its target for the validation accuracy, a fraction."""
        targets = {name: target_of(name) for name in self.names}
        return {name: target for name, target in targets.items() if target is not None}

    @cached_property
    def prediction_metrics(self) -> list[registry.PredictionMetric]:
        """The selected metrics that are functions of predictions."""
        known = registry.prediction_metrics()
        return [each for name, each in known.items() if self.includes(name)]

    @cached_property
    def includes_benchmarks(self) -> bool:
        """Whether a metric is selected that only benchmarks measure."""
        measured = (name.partition("@")[0] in _BENCHMARKED for name in self.names)
        return self.metrics is None or any(measured)


NO_METRICS = MetricSelection(frozenset(), frozenset())


def measure(
    run: StoredRun,
    parameters: ParameterCounts | None,
    selection: MetricSelection,
    warnings: list[str],
) -> Values:
    """The selected metrics of a finished run; files that can't be read add to `warnings`.

    A metric that was not measured is missing; None means that a target was never reached.

    Raises:
        RegistryError: A metric that the user has registered failed.
    """
    record = run.record
    values: Values = {**record.metrics, "model_size": record.files.get("model.keras")}
    values[COLLAPSED] = float(record.collapsed)
    values |= _under_conditions(record.metrics)
    if parameters is not None:
        values["total_parameters"] = parameters.total
        values["trainable_parameters"] = parameters.trainable
        values["operator_parameters"] = parameters.by_role.get("operator", 0)
        values["macs"] = parameters.macs
    if selection.includes_benchmarks:
        try:
            for measured in read_benchmarks(run.path).values():
                values |= measured.metrics
        except ResultsError as error:
            warnings.append(str(error))
    if selection.includes("generalization_gap") or selection.targets:
        values |= _from_history(run, selection.targets)
    derived = [each for each in selection.prediction_metrics if each.name not in values]
    if derived:
        values |= _from_predictions(run, derived, warnings)
    names = values.keys() if selection.metrics is None else selection.names
    return {
        name: value
        for name, value in values.items()
        if name in names and (value is not None or takes_target(name))
    }


def _under_conditions(metrics: Mapping[str, float | None]) -> Values:
    """How much of the test accuracy is lost and kept on each kind of changed test images."""
    plain, values, kept = metrics.get(ACCURACY), Values(), dict[str, list[float]]()
    for name, accuracy in metrics.items():
        base, _, condition = name.partition("@")
        if base != ACCURACY or not condition or plain is None or accuracy is None:
            continue
        values[f"accuracy_drop@{condition}"] = plain - accuracy
        if plain:
            values[f"accuracy_kept@{condition}"] = accuracy / plain
            kept.setdefault(condition.partition("=")[0], []).append(accuracy / plain)
    means = {f"{kind}_accuracy_kept": fmean(kept[kind]) for kind in _SEVERITIES if kind in kept}
    return values | means


def _from_history(run: StoredRun, targets: Mapping[str, float]) -> Values:
    try:
        history = run.history()
    except ResultsError:
        return {}  # The plots need it, and warn.
    values: Values = {}
    train, test = history.get("accuracy", [])[-1:], run.record.metrics.get("test_accuracy")
    if train and train[0] is not None and test is not None:
        values["generalization_gap"] = train[0] - test
    known = targets if history.get("val_accuracy") else {}
    return values | {name: _time_to(target, history, name) for name, target in known.items()}


def _time_to(target: float, history: History, metric: str) -> float | None:
    """The epochs or seconds until validation reached the target; None if it never did."""
    for epochs, accuracy in enumerate(history["val_accuracy"], 1):
        # 0.7 in 32 bits is 0.699999988079071.
        if accuracy and (accuracy >= target or isclose(accuracy, target, rel_tol=1e-7)):
            if metric.startswith("epochs"):
                return epochs
            seconds = [each for each in history.get("seconds", [])[:epochs] if each is not None]
            return sum(seconds) if len(seconds) == epochs else None
    return None


def _from_predictions(
    run: StoredRun, metrics: Iterable[registry.PredictionMetric], warnings: list[str]
) -> Values:
    from involbench.results.arrays import if_stored, read_predictions

    found = if_stored(read_predictions, run, warnings)
    values: Values = {}
    if found is None:
        return values
    for each in metrics:
        try:
            result = each.compute(**{name: getattr(found, name) for name in each.inputs})
            if result is not None:
                values[each.name] = _number(result, registry.is_built_in(each.compute))
        except Exception as error:
            raise RegistryError(
                f"{each.where}: the metric {each.name} failed for {run.path}: {error}"
            ) from error
    return values


def _number(result: Any, may_be_nan: bool) -> float:
    if shape := getattr(result, "shape", ()):
        raise TypeError(f"expected one number, got an array of shape {shape}")
    if not (may_be_nan or isfinite(result)):
        raise ValueError(f"expected a finite number, or None for no value, got {result}")
    return float(result)
