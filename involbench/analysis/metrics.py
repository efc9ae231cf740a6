"""What is compared: the metrics, which way is better, and how a person reads them."""

from dataclasses import dataclass
from typing import Literal

from involbench.errors import UsageError
from involbench.spec.wording import suggest

Unit = Literal["percent", "plain", "seconds", "epochs", "bytes", "count"]
ACCURACY = "test_accuracy"


@dataclass(frozen=True)
class Metric:
    """One number that every run of a model has, or would have if it were measured."""

    title: str
    """As it is called in a sentence."""
    unit: Unit = "plain"
    better: Literal["higher", "lower"] | None = None
    exact: bool = False
    """The same in every run of an arm, as a count is: a difference in it needs no statistics."""


METRICS: dict[str, Metric] = {
    ACCURACY: Metric("test accuracy", "percent", "higher"),
    "best_val_accuracy": Metric("best validation accuracy", "percent", "higher"),
    "test_loss": Metric("test loss", "plain", "lower"),
    "macro_f1": Metric("macro F1", "percent", "higher"),
    "expected_calibration_error": Metric("expected calibration error", "percent", "lower"),
    "generalization_gap": Metric("generalization gap", "percent", "lower"),
    "best_epoch": Metric("best epoch", "epochs"),
    "epochs_to_target": Metric("epochs to the target accuracy", "epochs", "lower"),
    "seconds_to_target": Metric("seconds to the target accuracy", "seconds", "lower"),
    "seconds_per_epoch": Metric("seconds an epoch", "seconds", "lower"),
    "latency": Metric("latency", "seconds", "lower"),
    "peak_memory": Metric("peak memory", "bytes", "lower"),
    "model_size": Metric("size on disk", "bytes", "lower"),
    "total_parameters": Metric("parameters", "count", "lower", exact=True),
    "trainable_parameters": Metric("trainable parameters", "count", "lower", exact=True),
    "operator_parameters": Metric("operator parameters", "count", "lower", exact=True),
    "macs": Metric("multiply-accumulates", "count", "lower", exact=True),
}
"""The names are those of `RunRecord.metrics`, and of what is derived from a run's other files."""


def metric(name: str) -> Metric:
    """What is known of a metric; one that a record alone knows is a plain number."""
    return METRICS.get(name) or Metric(name.replace("_", " "))


def check_metric(name: str, known: list[str]) -> None:
    """Refuse a name that no run has.

    Raises:
        UsageError: `name` is not among `known`; the message offers the nearest.
    """
    if name not in known:
        raise UsageError(f"no run has a metric {name!r}; {suggest(name, known)}")
