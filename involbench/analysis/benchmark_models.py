"""Times of networks -> latencies, and ratios to the first of them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.stats import bootstrap

from involbench.analysis.spread import spread
from involbench.results.benchmark import Machine, ModelSizes, ModelsMemory, ModelsTimes
from involbench.results.record import Record

_RESAMPLES = 2000


class Latency(Record):
    """Seconds of a call, and how many times those of the baseline."""

    median: float
    lower_quartile: float
    upper_quartile: float
    p95: float
    ratio: float
    """Median of the ratios to the baseline, each within its repeat."""
    ratio_interval: tuple[float, float]
    """Its 95% bootstrap interval; over one repeat's drift, not over machines."""
    samples: tuple[float, ...]


class ModelCost(Record):
    """What one network costs."""

    name: str
    input_shape: tuple[int, int, int]
    sizes: ModelSizes
    first_call_seconds: float
    warm_up_calls: dict[int, int]
    inference: dict[int, Latency]
    """By batch."""
    images_per_second: dict[int, float]
    """By batch, from the median."""
    step: Latency
    """A training step."""
    peak_bytes: dict[int, int]
    """Of an inference, by batch, beyond weights and images."""
    step_bytes: int | None


class ModelsBenchmark(Record):
    """What `bench model` prints."""

    schema_version: Literal[1] = 1
    baseline: str
    repeats: int
    step_batch: int
    memory_method: str
    models: tuple[ModelCost, ...]
    machine: Machine


def summarize_models(times: ModelsTimes, memory: ModelsMemory) -> ModelsBenchmark:
    """At least one network, at least two repeats; the first network is the baseline."""
    first = times.models[0]
    return ModelsBenchmark(
        baseline=first.name,
        repeats=len(next(iter(first.seconds.values()))),
        step_batch=times.step_batch,
        memory_method=memory.method,
        models=tuple(
            ModelCost(
                name=each.name,
                input_shape=each.input_shape,
                sizes=each.sizes,
                first_call_seconds=each.first_call_seconds,
                warm_up_calls=each.warm_up_calls,
                inference={b: _latency(s, first.seconds[b]) for b, s in each.seconds.items()},
                images_per_second={b: b / spread(s).median for b, s in each.seconds.items()},
                step=_latency(each.step_seconds, first.step_seconds),
                peak_bytes=memory.peak_bytes[each.name],
                step_bytes=memory.step_bytes[each.name],
            )
            for each in times.models
        ),
        machine=times.machine,
    )


def _latency(samples: Sequence[float], baseline: Sequence[float]) -> Latency:
    middle, ratios = spread(samples), np.divide(samples, baseline)
    lower, upper = _interval(ratios)
    return Latency(
        **middle.model_dump(),
        p95=float(np.quantile(samples, 0.95)),
        ratio=float(np.median(ratios)),
        ratio_interval=(lower, upper),
        samples=tuple(samples),
    )


def _interval(ratios: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, float]:
    """The 95% percentile interval of the median."""
    if np.ptp(ratios) == 0:
        return float(ratios[0]), float(ratios[0])
    found = bootstrap(
        (ratios,), np.median, n_resamples=_RESAMPLES, method="percentile", rng=0
    ).confidence_interval
    return float(found.low), float(found.high)
