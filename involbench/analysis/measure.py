"""One finished run -> its value of every metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose

from involbench.analysis.comparison import ParameterCounts
from involbench.analysis.metrics import is_benchmarked
from involbench.errors import ResultsError
from involbench.results.costs import read_costs
from involbench.results.reading import StoredRun
from involbench.results.record import History
from involbench.spec.targets import takes_target, target_of

Values = dict[str, float | None]

_FROM_PREDICTIONS = {"macro_f1", "expected_calibration_error"}


@dataclass(frozen=True)
class Wanted:
    """Which metrics are asked for: a run's larger files are read only where they are needed."""

    metrics: frozenset[str] | None = None
    """None for all."""
    compared: frozenset[str] | None = None
    """Those whose differences from the baseline are wanted too; None for all."""
    named: frozenset[str] = frozenset()
    """Those that are wanted in any case; a target to be reached is known by such a name only."""

    def asks(self, *names: str) -> bool:
        """Whether one of these is wanted."""
        return self.metrics is None or not (self.metrics | self.named).isdisjoint(names)

    @property
    def targets(self) -> dict[str, float]:
        """Metric -> the validation accuracy to be reached, a fraction."""
        targets = {name: target_of(name) for name in self.named.union(self.metrics or ())}
        return {name: target for name, target in targets.items() if target is not None}

    @property
    def asks_benchmarks(self) -> bool:
        """Whether something is wanted that only benchmarks measure."""
        return self.metrics is None or any(map(is_benchmarked, self.metrics | self.named))


def measure(
    run: StoredRun, parameters: ParameterCounts | None, wanted: Wanted, warnings: list[str]
) -> Values:
    """Every metric of a finished run that is wanted and can be had.

    Args:
        run: The run.
        parameters: The counts of its model.
        wanted: Which metrics.
        warnings: Gathers what could not be read.

    Returns:
        Metric -> value; one that was not measured is missing, never 0; None stands for a target
        that was never reached.
    """
    record = run.record
    values: Values = {**record.metrics, "model_size": record.files.get("model.keras")}
    values["collapsed"] = float(record.collapsed)
    values |= _drops(record.metrics)
    if parameters is not None:
        values["total_parameters"] = parameters.total
        values["trainable_parameters"] = parameters.trainable
        values["operator_parameters"] = parameters.by_role.get("operator", 0)
        values["macs"] = parameters.macs
    if wanted.asks_benchmarks:
        values |= _from_benchmarks(run, warnings)
    if wanted.asks("generalization_gap") or wanted.targets:
        values |= _from_history(run, wanted.targets)
    if wanted.asks(*_FROM_PREDICTIONS) and _FROM_PREDICTIONS - values.keys():
        values |= _from_predictions(run, warnings)
    return {
        name: value
        for name, value in values.items()
        if (value is not None or takes_target(name)) and wanted.asks(name)
    }


def _drops(metrics: Mapping[str, float | None]) -> Values:
    """How much accuracy each change of the test images costs."""
    plain = metrics.get("test_accuracy")
    return {
        name.replace("test_accuracy@", "accuracy_drop@"): plain - value
        for name, value in metrics.items()
        if name.startswith("test_accuracy@") and plain is not None and value is not None
    }


def _from_benchmarks(run: StoredRun, warnings: list[str]) -> Values:
    try:
        return {name: value for c in read_costs(run.path) for name, value in c.metrics.items()}
    except ResultsError as error:
        warnings.append(str(error))
        return {}


def _from_history(run: StoredRun, targets: Mapping[str, float]) -> Values:
    try:
        history = run.history()
    except ResultsError:
        return {}  # The plots, which cannot be without it, say so.
    values: Values = {}
    train, test = history.get("accuracy", [])[-1:], run.record.metrics.get("test_accuracy")
    if train and train[0] is not None and test is not None:
        values["generalization_gap"] = train[0] - test
    known = targets if history.get("val_accuracy") else {}
    return values | {name: _time_to(target, history, name) for name, target in known.items()}


def _time_to(target: float, history: History, metric: str) -> float | None:
    """When validation first reached the target; None where it never did."""
    accuracies = history.get("val_accuracy", [])
    reached = (a is not None and _is_at(a, target) for a in accuracies)
    first = next((epoch for epoch, is_it in enumerate(reached, 1) if is_it), None)
    if first is None or metric.startswith("epochs"):
        return first
    seconds = history.get("seconds", [])[:first]
    known = [second for second in seconds if second is not None]
    return sum(known) if len(known) == first else None


def _is_at(accuracy: float, target: float) -> bool:
    """Whether it is reached, which 0.7 is by 0.7 in 32 bits, the number 0.699999988079071."""
    return accuracy >= target or isclose(accuracy, target, rel_tol=1e-7)


def _from_predictions(run: StoredRun, warnings: list[str]) -> Values:
    from involbench.analysis.predictions import expected_calibration_error, macro_f1
    from involbench.results.predictions import read_predictions

    if not (run.path / "predictions.npz").exists():
        return {}
    try:
        found = read_predictions(run)
    except ResultsError as error:
        warnings.append(str(error))
        return {}
    return {
        "macro_f1": macro_f1(found.labels, found.predicted),
        "expected_calibration_error": expected_calibration_error(found.labels, found.probabilities),
    }
