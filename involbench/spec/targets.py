"""Metrics that are named with a target to be reached: `epochs_to@val_accuracy=0.7`."""

_TO_TARGET = ("epochs_to", "seconds_to")
_TARGET = "val_accuracy"


def takes_target(metric: str) -> bool:
    """Whether it says nothing without a target."""
    return metric.partition("@")[0] in _TO_TARGET


def target_of(metric: str) -> float | None:
    """The validation accuracy to be reached, a fraction; None where the name has none."""
    name, _, value = metric.partition("@")[2].partition("=")
    if not takes_target(metric) or name != _TARGET:
        return None
    try:
        target = float(value)
    except ValueError:
        return None
    return target if 0 < target <= 1 else None


def target_fault(metric: str) -> str:
    """What is wrong with the name of a metric that takes a target; empty for all other names."""
    if not takes_target(metric) or target_of(metric) is not None:
        return ""
    plain = metric.partition("@")[0]
    return f"say which accuracy is to be reached, a fraction, such as {plain}@{_TARGET}=0.7"
