"""Runs that learned too badly for a metric to be judged by."""

from collections.abc import Sequence

from involbench.analysis.comparison import ModelResult
from involbench.analysis.metrics import metric as metric_called
from involbench.results.wording import located, seeds
from involbench.spec.targets import takes_target


def unfit(results: Sequence[ModelResult], metric: str) -> str:
    """How many of the results' runs a metric flatters, and why; empty where it flatters none."""
    if metric_called(metric).best_of_nothing:
        counts, why = [each.n_collapsed for each in results], "collapsed, which it flatters"
    elif takes_target(metric):
        counts = [_unmeasured(each, metric) for each in results]
        why = "never reached the accuracy"
    else:
        return ""
    those = [
        f"{seeds(count, each.n_finished)} of {located(each.model, each.point)}"
        for count, each in zip(counts, results, strict=True)
        if count
    ]
    which = " and ".join(dict.fromkeys(those))
    return f"{which} {why}" if which else ""


def _unmeasured(result: ModelResult, metric: str) -> int:
    summary = result.metrics.get(metric)
    return result.n_finished - (summary.n if summary else 0)
