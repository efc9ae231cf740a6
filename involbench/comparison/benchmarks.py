"""From measured times to the ratios and latencies of `involbench bench`."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, product
from statistics import geometric_mean, mean
from typing import Literal

import numpy as np

from involbench.results.benchmarks import (
    NETWORKS,
    PARTS,
    Format,
    Implementation,
    Machine,
    MeasuredExport,
    MeasuredExports,
    ModelsMemory,
    ModelsTimes,
    ModelTimes,
    Network,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    Part,
    StepTimes,
    TimedModel,
)
from involbench.results.record import Record
from involbench.statistics.estimates import Quartiles, median_interval, quartiles, ratio_quartiles


class PassResult(Record):
    """One implementation at one shape: forward alone, or with gradients."""

    seconds: Quartiles
    samples: tuple[float, ...]
    """Seconds, one value for each repeat."""
    ratio: Quartiles
    """Its time / the time of the involution, in the same repeat. Above 1 it is slower."""
    peak_bytes: int
    """Peak memory beyond the arguments; results count."""
    results_bytes: int
    """The part of it that the results take."""
    memory_ratio: float | None
    """Its peak / the peak of the involution; None where that is 0."""
    floor_bytes: int
    """Bytes that must be moved: every argument and every result once."""
    floor_share: float
    """The time to copy these bytes / the measured time. Above 1 where caches save transfers."""


class ImplementationResult(Record):
    """One implementation at one shape."""

    first_call_seconds: float
    parts: dict[Part, PassResult]


class ShapeResult(Record):
    """All results for one shape."""

    shape: OperatorShape
    copy_bytes_per_second: Quartiles
    copy_samples: tuple[float, ...]
    """Bytes per second, one value for each repeat."""
    largest_difference: float
    forms: dict[Implementation, ImplementationResult]


class Means(Record):
    """Geometric means over the shapes."""

    ratio: float
    memory_ratio: float | None
    floor_share: float


class OperatorBenchmark(Record):
    """The result of `bench operator`."""

    schema_version: Literal[1] = 1
    repeats: int
    data_format: str
    patches: str
    unfold: str | None = None
    memory_method: str
    shapes: tuple[ShapeResult, ...]
    geometric_means: dict[Implementation, dict[Part, Means]]
    machine: Machine


def summarize_operator(
    measured: Sequence[tuple[OperatorTimes, OperatorMemory]],
) -> OperatorBenchmark:
    """Summarize one shape or more, with at least two repeats."""
    times, memory = measured[0]
    shapes = tuple(_shape(*pair) for pair in measured)
    return OperatorBenchmark(
        repeats=len(times.copy_bytes_per_second),
        data_format=times.data_format,
        patches=times.patches,
        unfold=times.unfold,
        memory_method=memory.method,
        shapes=shapes,
        geometric_means={
            form: {part: _means(shapes, form, part) for part in PARTS} for form in times.forms
        },
        machine=times.machine,
    )


def _shape(times: OperatorTimes, memory: OperatorMemory) -> ShapeResult:
    copy = quartiles(times.copy_bytes_per_second)
    return ShapeResult(
        shape=times.shape,
        copy_bytes_per_second=copy,
        copy_samples=times.copy_bytes_per_second,
        largest_difference=times.largest_difference,
        forms={
            form: ImplementationResult(
                first_call_seconds=times.forms[form].first_call_seconds,
                parts={part: _part(times, memory, copy, form, part) for part in PARTS},
            )
            for form in times.forms
        },
    )


def _part(
    times: OperatorTimes, memory: OperatorMemory, copy: Quartiles, form: Implementation, part: Part
) -> PassResult:
    samples, ours = (times.forms[name].seconds[part] for name in (form, "involution"))
    taken, peak = quartiles(samples), memory.peak_bytes[form][part]
    our_peak = memory.peak_bytes["involution"][part]
    floor = times.shape.floor_bytes(form, part)
    return PassResult(
        seconds=taken,
        samples=samples,
        ratio=ratio_quartiles(samples, ours),
        peak_bytes=peak,
        results_bytes=times.shape.results_bytes(form, part),
        memory_ratio=peak / our_peak if our_peak else None,
        floor_bytes=floor,
        floor_share=floor / copy.median / taken.median,
    )


def _means(shapes: Iterable[ShapeResult], form: Implementation, part: Part) -> Means:
    parts = [shape.forms[form].parts[part] for shape in shapes]
    memory = [item.memory_ratio for item in parts if item.memory_ratio]
    return Means(
        ratio=geometric_mean(item.ratio.median for item in parts),
        memory_ratio=geometric_mean(memory) if len(memory) == len(parts) else None,
        floor_share=geometric_mean(item.floor_share for item in parts),
    )


class NetworkResult(Record):
    """Training steps of one network."""

    first_step_seconds: float
    seconds: Quartiles
    samples: tuple[float, ...]
    ratio: Quartiles
    """Its time / the time of the network with our layer, step by step."""
    losses: tuple[float, ...]


class StepBenchmark(Record):
    """The result of `bench step`."""

    schema_version: Literal[1] = 1
    repeats: int
    batch_size: int
    image_shape: tuple[int, int, int]
    patches: str
    networks: dict[Network, NetworkResult]
    largest_loss_difference: float
    """Between the losses with our layer and with the published one, over all steps."""
    machine: Machine


def summarize_steps(times: StepTimes) -> StepBenchmark:
    """Summarize at least two steps of each network after the first."""
    ours = times.networks["involution"]
    losses = zip(ours.losses, times.networks["patches"].losses, strict=True)
    return StepBenchmark(
        repeats=len(ours.seconds),
        batch_size=times.batch_size,
        image_shape=times.image_shape,
        patches=times.patches,
        networks={
            name: NetworkResult(
                first_step_seconds=steps.first_step_seconds,
                seconds=quartiles(steps.seconds),
                samples=steps.seconds,
                ratio=ratio_quartiles(steps.seconds, ours.seconds),
                losses=steps.losses,
            )
            for name in NETWORKS
            for steps in [times.networks[name]]
        },
        largest_loss_difference=max(abs(a - b) for a, b in losses),
        machine=times.machine,
    )


_FEWEST_SIZES = 3
"""Image sizes or batch sizes that the fit of an exponent needs."""


class Latency(Record):
    """Seconds of a call, and their ratio to the baseline."""

    median: float
    lower_quartile: float
    upper_quartile: float
    p95: float
    ratio: float
    """Median ratio to the baseline, each within its repeat."""
    ratio_interval: tuple[float, float]
    """95% bootstrap interval of the ratio over the repeats, for this machine only."""
    samples: tuple[float, ...]


class ModelCost(TimedModel):
    """Time and memory of one network, for one image size."""

    inference: dict[int, Latency]
    """By batch size."""
    images_per_second: dict[int, float]
    """By batch size, from the median."""
    step: Latency
    """One training step."""
    peak_bytes: dict[int, int]
    """Peak memory of an inference beyond weights and images, by batch size."""
    step_bytes: int | None


class Exponent(Record):
    """Inference time grows as this power of the number of pixels or images."""

    name: str
    over: Literal["pixels", "batch"]
    at: str
    """The fixed quantity: the batch size, or the image size."""
    value: float
    interval: tuple[float, float]
    """95% bootstrap interval over the repeats."""
    numbers: tuple[int, ...]
    """The numbers of pixels or images that were timed."""


class ModelsBenchmark(Record):
    """The result of `bench model`."""

    schema_version: Literal[1] = 1
    baseline: str
    """The network that the others are compared with, at the same image size."""
    repeats: int
    step_batch: int
    memory_method: str
    models: tuple[ModelCost, ...]
    exponents: tuple[Exponent, ...]
    """For networks that were timed with at least three image sizes or batch sizes."""
    machine: Machine


def summarize_models(blocks: Sequence[ModelsTimes], memory: ModelsMemory) -> ModelsBenchmark:
    """Summarize the networks. Each block is one process; the first network is the baseline."""
    times = _joined(blocks)
    baseline = times.models[0].network
    same = {each.input_shape: each for each in times.models if each.network == baseline}
    # With several specs, the first network may not have every image size.
    pairs = [(each, same.get(each.input_shape, times.models[0])) for each in times.models]
    return ModelsBenchmark(
        baseline=baseline,
        repeats=len(next(iter(times.models[0].seconds.values()))),
        step_batch=times.step_batch,
        memory_method=memory.method,
        models=tuple(_cost(each, first, memory) for each, first in pairs),
        exponents=tuple(_exponents(times.models)),
        machine=times.machine,
    )


def _cost(each: ModelTimes, first: ModelTimes, memory: ModelsMemory) -> ModelCost:
    return ModelCost(
        **{name: getattr(each, name) for name in TimedModel.model_fields},
        inference={b: _latency(s, first.seconds[b]) for b, s in each.seconds.items()},
        images_per_second={b: b / quartiles(s).median for b, s in each.seconds.items()},
        step=_latency(each.step_seconds, first.step_seconds),
        peak_bytes=memory.peak_bytes[each.name],
        step_bytes=memory.step_bytes[each.name],
    )


def _joined(blocks: Sequence[ModelsTimes]) -> ModelsTimes:
    """Concatenate the repeats of all blocks."""
    first = blocks[0]
    models = []
    for each in zip(*(block.models for block in blocks), strict=True):
        seconds = {b: tuple(chain(*(one.seconds[b] for one in each))) for b in each[0].seconds}
        steps = tuple(chain(*(one.step_seconds for one in each)))
        models.append(each[0].model_copy(update={"seconds": seconds, "step_seconds": steps}))
    return first.model_copy(update={"models": tuple(models)})


def _exponents(models: Sequence[ModelTimes]) -> Iterator[Exponent]:
    """Those of each network over the pixels, then those over the batch size."""
    for network in dict.fromkeys(each.network for each in models):
        sizes = [each for each in models if each.network == network]
        pixels = [math.prod(each.input_shape[:2]) for each in sizes]
        for batch in sizes[0].seconds:
            at = f"{batch} image{'' if batch == 1 else 's'}"
            yield from _fit(network, "pixels", at, pixels, [each.seconds[batch] for each in sizes])
    for each in models:
        at = "x".join(map(str, each.input_shape[:2]))
        yield from _fit(each.name, "batch", at, [*each.seconds], [*each.seconds.values()])


def _fit(
    name: str,
    over: Literal["pixels", "batch"],
    at: str,
    numbers: Sequence[int],
    times: Sequence[Sequence[float]],
) -> Iterator[Exponent]:
    """The slope of log time over log number, fitted repeat by repeat, if there are enough."""
    if len({*numbers}) >= _FEWEST_SIZES:
        slopes = np.polyfit(np.log(numbers), np.log(times), 1)[0]
        value, interval = float(np.median(slopes)), median_interval(slopes)
        yield Exponent(
            name=name, over=over, at=at, value=value, interval=interval, numbers=tuple(numbers)
        )


def _latency(samples: Sequence[float], baseline: Sequence[float]) -> Latency:
    """Summarize at least two samples, each from the same repeat as that of the baseline."""
    ratios = np.divide(samples, baseline)
    return Latency(
        **asdict(quartiles(samples)),
        p95=float(np.quantile(samples, 0.95)),
        ratio=float(np.median(ratios)),
        ratio_interval=median_interval(ratios),
        samples=tuple(samples),
    )


class ExportCost(Record):
    """One network in one format, with one number of threads; means over its seeds."""

    network: str
    format: Format
    threads: int
    latency: Latency
    """For one image. The ratio is to the first network that has this format."""
    size_bytes: float
    accuracy: float
    """On the test images that Keras classified too."""
    keras_accuracy: float
    agreement: float
    """The share of images where it predicts the same class as Keras."""


class ExportsBenchmark(Record):
    """The result of `bench export`."""

    schema_version: Literal[1] = 1
    baseline: str
    repeats: int
    """Repeats in each process."""
    processes: int
    """One for each seed; each further number of threads takes as many more."""
    test_images: int
    exports: tuple[ExportCost, ...]
    failures: tuple[str, ...]
    machine: Machine


_AVERAGED = ("size_bytes", "accuracy", "keras_accuracy", "agreement")


def summarize_exports(blocks: Sequence[MeasuredExports]) -> ExportsBenchmark:
    """Summarize at least one export. Each block has another seed."""
    exports = [export for block in blocks for export in block.exports]
    first = exports[0]
    return ExportsBenchmark(
        baseline=first.network,
        repeats=len(next(iter(first.seconds.values()))),
        processes=len(blocks),
        test_images=first.record.test_images,
        exports=tuple(_export_costs(blocks, list(dict.fromkeys(e.network for e in exports)))),
        failures=tuple(failure for block in blocks for failure in block.failures),
        machine=blocks[0].machine,
    )


def _export_costs(
    blocks: Sequence[MeasuredExports], networks: Sequence[str]
) -> Iterator[ExportCost]:
    first = blocks[0].exports[0]
    forms = dict.fromkeys(export.record.format for block in blocks for export in block.exports)
    for threads, form, network in product(first.seconds, forms, networks):
        pairs = list(_pairs(blocks, networks, network, form))
        if not pairs:
            continue
        own, reference = (
            list(chain(*(export.seconds[threads] for export in exports)))
            for exports in zip(*pairs, strict=True)
        )
        records = [export.record for export, _ in pairs]
        yield ExportCost(
            network=network,
            format=form,
            threads=threads,
            latency=_latency(own, reference),
            **{name: mean(getattr(record, name) for record in records) for name in _AVERAGED},
        )


def _pairs(
    blocks: Sequence[MeasuredExports], networks: Sequence[str], network: str, form: Format
) -> Iterator[tuple[MeasuredExport, MeasuredExport]]:
    """The network in each block that has it, with the first network of that block."""
    for block in blocks:
        there = {e.network: e for e in block.exports if e.record.format == form}
        if network in there:
            yield there[network], next(there[name] for name in networks if name in there)
