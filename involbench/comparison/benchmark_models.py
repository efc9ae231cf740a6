"""Times of networks and of exported networks -> latencies and ratios."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import mean
from typing import Literal

import numpy as np
from scipy.stats import bootstrap

from involbench.results.benchmarks import (
    Format,
    Machine,
    MeasuredExport,
    MeasuredExports,
    ModelSizes,
    ModelsMemory,
    ModelsTimes,
    ModelTimes,
)
from involbench.results.record import Record
from involbench.statistics.quartiles import spread

_RESAMPLES = 2000
_FEWEST = 3


class Latency(Record):
    """Seconds of a call, and how many times those of the baseline."""

    median: float
    lower_quartile: float
    upper_quartile: float
    p95: float
    ratio: float
    """Median of the ratios to the baseline, each within its repeat."""
    ratio_interval: tuple[float, float]
    """Its 95% bootstrap interval over the repeats: of this machine alone."""
    samples: tuple[float, ...]


class ModelCost(Record):
    """What one network costs, for images of one size."""

    name: str
    network: str
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


class Exponent(Record):
    """How the time of an inference grows with what it is given: as its number to this power."""

    name: str
    over: Literal["pixels", "batch"]
    at: str
    """What is the same: the batch, or the size of the images."""
    value: float
    interval: tuple[float, float]
    """95%, over the repeats."""
    numbers: tuple[int, ...]
    """Of pixels or images, at which it was timed."""


class ModelsBenchmark(Record):
    """What `bench model` prints."""

    schema_version: Literal[1] = 1
    baseline: str
    """The network that the others are held against, at the same size of image."""
    repeats: int
    step_batch: int
    memory_method: str
    models: tuple[ModelCost, ...]
    exponents: tuple[Exponent, ...]
    """Of networks that were timed at three sizes of image or more, or with as many batches."""
    machine: Machine


def summarize_models(blocks: Sequence[ModelsTimes], memory: ModelsMemory) -> ModelsBenchmark:
    """Times of the same networks, in one process or more; the first network is the baseline."""
    times = _joined(blocks)
    baseline = times.models[0].network
    same = {each.input_shape: each for each in times.models if each.network == baseline}
    # Networks of several specs may have images of sizes that the first one has not.
    held = [(each, same.get(each.input_shape, times.models[0])) for each in times.models]
    return ModelsBenchmark(
        baseline=baseline,
        repeats=len(next(iter(times.models[0].seconds.values()))),
        step_batch=times.step_batch,
        memory_method=memory.method,
        models=tuple(_cost(each, first, memory) for each, first in held),
        exponents=(*_over_pixels(times.models), *_over_batches(times.models)),
        machine=times.machine,
    )


def _cost(each: ModelTimes, first: ModelTimes, memory: ModelsMemory) -> ModelCost:
    return ModelCost(
        name=each.name,
        network=each.network,
        input_shape=each.input_shape,
        sizes=each.sizes,
        first_call_seconds=each.first_call_seconds,
        warm_up_calls=each.warm_up_calls,
        inference={b: latency(s, first.seconds[b]) for b, s in each.seconds.items()},
        images_per_second={b: b / spread(s).median for b, s in each.seconds.items()},
        step=latency(each.step_seconds, first.step_seconds),
        peak_bytes=memory.peak_bytes[each.name],
        step_bytes=memory.step_bytes[each.name],
    )


def _joined(blocks: Sequence[ModelsTimes]) -> ModelsTimes:
    """The repeats of all blocks, one after another."""
    first = blocks[0]
    models = []
    for each in zip(*(block.models for block in blocks), strict=True):
        seconds = {b: tuple(chain(*(one.seconds[b] for one in each))) for b in each[0].seconds}
        steps = tuple(chain(*(one.step_seconds for one in each)))
        models.append(each[0].model_copy(update={"seconds": seconds, "step_seconds": steps}))
    return first.model_copy(update={"models": tuple(models)})


def _over_pixels(models: Sequence[ModelTimes]) -> Iterator[Exponent]:
    for network in dict.fromkeys(each.network for each in models):
        sizes = [each for each in models if each.network == network]
        pixels = [math.prod(each.input_shape[:2]) for each in sizes]
        for batch in sizes[0].seconds if len({*pixels}) >= _FEWEST else ():
            times = [each.seconds[batch] for each in sizes]
            at = f"{batch} image{'' if batch == 1 else 's'}"
            yield _exponent(network, "pixels", at, pixels, times)


def _over_batches(models: Sequence[ModelTimes]) -> Iterator[Exponent]:
    for each in models:
        if len(each.seconds) >= _FEWEST:
            at = "x".join(map(str, each.input_shape[:2]))
            yield _exponent(each.name, "batch", at, [*each.seconds], [*each.seconds.values()])


def _exponent(
    name: str,
    over: Literal["pixels", "batch"],
    at: str,
    numbers: Sequence[int],
    times: Sequence[Sequence[float]],
) -> Exponent:
    """The slope of log time over log number, repeat by repeat."""
    slopes = np.polyfit(np.log(numbers), np.log(times), 1)[0]
    return Exponent(
        name=name,
        over=over,
        at=at,
        value=float(np.median(slopes)),
        interval=_interval(slopes),
        numbers=tuple(numbers),
    )


def latency(samples: Sequence[float], baseline: Sequence[float]) -> Latency:
    """Of at least two samples, each taken in the same repeat as the baseline's."""
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


class ExportCost(Record):
    """One network in one format, on so many threads; means where it was trained several times."""

    network: str
    format: Format
    threads: int
    latency: Latency
    """Of one image; its ratio is to the first network that there is in this format."""
    size_bytes: float
    accuracy: float
    """On the test images that it was held against Keras on."""
    keras_accuracy: float
    agreement: float
    """How often it gives the same class as Keras."""


class ExportsBenchmark(Record):
    """What `bench export` prints."""

    schema_version: Literal[1] = 1
    baseline: str
    repeats: int
    """In each process."""
    processes: int
    """One for each seed, and as many again for each number of threads."""
    test_images: int
    exports: tuple[ExportCost, ...]
    failures: tuple[str, ...]
    machine: Machine


def summarize_exports(blocks: Sequence[MeasuredExports]) -> ExportsBenchmark:
    """Networks in all their formats, in one block or more, of which each has another seed.

    Raises:
        ValueError: There are none.
    """
    exports = [export for block in blocks for export in block.exports]
    first = exports[0]
    return ExportsBenchmark(
        baseline=first.network,
        repeats=len(next(iter(first.seconds.values()))),
        processes=len(blocks),
        test_images=first.record.test_images,
        exports=tuple(_costs(blocks, list(dict.fromkeys(e.network for e in exports)))),
        failures=tuple(failure for block in blocks for failure in block.failures),
        machine=blocks[0].machine,
    )


def _costs(blocks: Sequence[MeasuredExports], networks: Sequence[str]) -> Iterator[ExportCost]:
    first = blocks[0].exports[0]
    forms = dict.fromkeys(export.record.format for block in blocks for export in block.exports)
    for threads in first.seconds:
        for form in forms:
            for network in networks:
                pairs = list(_pairs(blocks, networks, network, form))
                if pairs:
                    yield _export_cost(network, form, threads, pairs)


def _pairs(
    blocks: Sequence[MeasuredExports], networks: Sequence[str], network: str, form: Format
) -> Iterator[tuple[MeasuredExport, MeasuredExport]]:
    """The network in each block that has it, with the first network that there is beside it."""
    for block in blocks:
        there = {e.network: e for e in block.exports if e.record.format == form}
        if network in there:
            yield there[network], next(there[name] for name in networks if name in there)


def _export_cost(
    network: str,
    form: Format,
    threads: int,
    pairs: Sequence[tuple[MeasuredExport, MeasuredExport]],
) -> ExportCost:
    sides = zip(*pairs, strict=True)
    own, beside = (list(chain(*(each.seconds[threads] for each in side))) for side in sides)
    records = [export.record for export, _ in pairs]
    return ExportCost(
        network=network,
        format=form,
        threads=threads,
        latency=latency(own, beside),
        size_bytes=mean(record.size_bytes for record in records),
        accuracy=mean(record.accuracy for record in records),
        keras_accuracy=mean(record.keras_accuracy for record in records),
        agreement=mean(record.agreement for record in records),
    )
