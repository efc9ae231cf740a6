"""What is compared: the metrics, which way is better, and how a person reads them."""

from dataclasses import dataclass, replace
from typing import Literal

from involbench.results.exports import FORMATS
from involbench.results.input_wait import INPUT_WAIT
from involbench.spec.targets import takes_target, target_fault, target_of
from involbench.spec.wording import suggest

Unit = Literal["percent", "plain", "seconds", "milliseconds", "epochs", "bytes", "count"]
"""What a person reads; a value in milliseconds is kept in seconds, one in percent as a fraction."""
ACCURACY, SIZE = "test_accuracy", "trainable_parameters"


@dataclass(frozen=True)
class Metric:
    """One number that every run of a model has, or would have if it were measured."""

    title: str
    """As it is called in a sentence."""
    header: str
    """What stands above a column of it."""
    unit: Unit = "plain"
    better: Literal["higher", "lower"] | None = None
    exact: bool = False
    """The same in every run of an arm, as a count is: a difference in it needs no statistics."""
    best_of_nothing: bool = False
    """Whether a network that gives every image the same answer is at its best in it."""


METRICS: dict[str, Metric] = {
    ACCURACY: Metric("test accuracy", "accuracy %", "percent", "higher"),
    "best_val_accuracy": Metric("best validation accuracy", "best val %", "percent", "higher"),
    "test_loss": Metric("test loss", "loss", "plain", "lower"),
    "macro_f1": Metric("macro F1", "macro F1 %", "percent", "higher"),
    "expected_calibration_error": Metric(
        "calibration error", "ECE %", "percent", "lower", best_of_nothing=True
    ),
    "generalization_gap": Metric(
        "generalization gap", "gap %", "percent", "lower", best_of_nothing=True
    ),
    "accuracy_drop": Metric("loss of accuracy", "drop %", "percent", "lower", best_of_nothing=True),
    "agreement": Metric(
        "agreement with itself", "agreement %", "percent", "higher", best_of_nothing=True
    ),
    "collapsed": Metric("share of collapsed runs", "collapsed %", "percent", "lower"),
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
"""The names are those of `RunRecord.metrics`, and of what is derived from a run's other files."""


def metric(name: str) -> Metric:
    """What is known of a metric; one that a record alone knows is a plain number.

    `test_accuracy@noise=0.1` is `test_accuracy` on test images changed as `evaluate` said;
    `epochs_to@val_accuracy=0.7`, when the validation accuracy first was 0.7 or more.
    """
    base, _, condition = name.partition("@")
    plain = base.replace("_", " ")
    found = METRICS.get(base) or Metric(plain, plain)
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
"""Which benchmark measures it."""


def is_benchmarked(name: str) -> bool:
    """Whether a benchmark measures it, not the run itself."""
    return name.partition("@")[0] in _BENCHMARKED


def suggestion(name: str) -> str:
    """The end of a message about a metric that no run has; empty where there is nothing to add."""
    base, _, condition = name.partition("@")
    if base in _BENCHMARKED:
        return f"`involbench bench {_BENCHMARKED[base]} EXPERIMENT` measures it"
    if takes_target(name):
        return target_fault(name) or "the accuracy was never reached"
    if base not in METRICS:
        return suggest(base, [name for name in METRICS if name not in _BENCHMARKED])
    if not condition:
        return ""
    kind, _, value = condition.partition("=")
    return f"it is measured where the spec has evaluate: {{{kind}: [{value}]}}"
