"""Measured times and sizes -> medians, quartiles, ratios within a repeat, geometric means."""

from collections.abc import Iterable, Sequence
from statistics import geometric_mean, median, quantiles
from typing import Literal

from involbench.results.benchmark import (
    FORMS,
    NETWORKS,
    PARTS,
    Form,
    Machine,
    Network,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    Part,
    StepTimes,
)
from involbench.results.record import Record

BENCHMARK_VERSION: Literal[1] = 1


class Spread(Record):
    """The middle of several values."""

    median: float
    lower_quartile: float
    upper_quartile: float


class FormPart(Record):
    """One form at one shape: forward alone, or with gradients."""

    seconds: Spread
    samples: tuple[float, ...]
    """Seconds, one value a repeat."""
    ratio: Spread
    """Its time over the involution's in the same repeat; above 1 it is slower."""
    peak_bytes: int
    """The most memory held beyond the arguments; results count."""
    memory_ratio: float | None
    """Its peak over the involution's; None where the involution's is 0."""
    floor_share: float | None
    """Time that the bytes to be moved take at the copy's bandwidth over the time taken.

    Above 1 where the caches hold what need not come from memory. None for the convolutions, which
    move other bytes.
    """


class FormResult(Record):
    """One form at one shape."""

    first_call_seconds: float
    parts: dict[Part, FormPart]


class ShapeResult(Record):
    """Everything of one shape."""

    shape: OperatorShape
    floor_bytes: dict[Part, int]
    copy_bytes_per_second: Spread
    largest_difference: float
    forms: dict[Form, FormResult]


class Means(Record):
    """Geometric means over the shapes, of the median ratios and of the memory ratios."""

    ratio: float
    memory_ratio: float | None


class OperatorBenchmark(Record):
    """What `bench operator` prints."""

    schema_version: Literal[1] = BENCHMARK_VERSION
    repeats: int
    data_format: str
    patches: str
    memory_method: str
    shapes: tuple[ShapeResult, ...]
    geometric_means: dict[Form, dict[Part, Means]]
    machine: Machine


class NetworkResult(Record):
    """Training steps of one network."""

    first_step_seconds: float
    seconds: Spread
    samples: tuple[float, ...]
    ratio: Spread
    """Its time over that of the network on our layer, step by step."""
    losses: tuple[float, ...]


class StepBenchmark(Record):
    """What `bench step` prints."""

    schema_version: Literal[1] = BENCHMARK_VERSION
    repeats: int
    batch_size: int
    image_shape: tuple[int, int, int]
    patches: str
    networks: dict[Network, NetworkResult]
    largest_loss_difference: float
    """Of the losses on our layer from those on the published one, over all steps."""
    machine: Machine


def summarize_operator(
    measured: Sequence[tuple[OperatorTimes, OperatorMemory]],
) -> OperatorBenchmark:
    """Times and memory of at least one shape, at least two repeats, as one result."""
    times, memory = measured[0]
    shapes = tuple(_shape(*pair) for pair in measured)
    return OperatorBenchmark(
        repeats=len(times.copy_bytes_per_second),
        data_format=times.data_format,
        patches=times.patches,
        memory_method=memory.method,
        shapes=shapes,
        geometric_means={
            form: {part: _means(shapes, form, part) for part in PARTS}
            for form in FORMS
            if form != "involution"
        },
        machine=times.machine,
    )


def summarize_steps(times: StepTimes) -> StepBenchmark:
    """At least two steps of each network after the first, as one result."""
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
                seconds=spread(steps.seconds),
                samples=steps.seconds,
                ratio=ratios(steps.seconds, ours.seconds),
                losses=steps.losses,
            )
            for name in NETWORKS
            for steps in [times.networks[name]]
        },
        largest_loss_difference=max(abs(a - b) for a, b in losses),
        machine=times.machine,
    )


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of at least two values."""
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    return Spread(median=median(values), lower_quartile=lower, upper_quartile=upper)


def ratios(values: Sequence[float], references: Sequence[float]) -> Spread:
    """Median and quartiles of value over reference, each taken within its repeat."""
    return spread([a / b for a, b in zip(values, references, strict=True)])


def _shape(times: OperatorTimes, memory: OperatorMemory) -> ShapeResult:
    copy = spread(times.copy_bytes_per_second)
    return ShapeResult(
        shape=times.shape,
        floor_bytes={part: times.shape.floor_bytes(part) for part in PARTS},
        copy_bytes_per_second=copy,
        largest_difference=times.largest_difference,
        forms={
            form: FormResult(
                first_call_seconds=times.forms[form].first_call_seconds,
                parts={part: _part(times, memory, copy, form, part) for part in PARTS},
            )
            for form in FORMS
        },
    )


def _part(
    times: OperatorTimes, memory: OperatorMemory, copy: Spread, form: Form, part: Part
) -> FormPart:
    samples, ours = (times.forms[name].seconds[part] for name in (form, "involution"))
    taken, peak = spread(samples), memory.peak_bytes[form][part]
    our_peak = memory.peak_bytes["involution"][part]
    floor_seconds = times.shape.floor_bytes(part) / copy.median
    return FormPart(
        seconds=taken,
        samples=samples,
        ratio=ratios(samples, ours),
        peak_bytes=peak,
        memory_ratio=peak / our_peak if our_peak else None,
        floor_share=floor_seconds / taken.median if form in ("involution", "patches") else None,
    )


def _means(shapes: Iterable[ShapeResult], form: Form, part: Part) -> Means:
    parts = [shape.forms[form].parts[part] for shape in shapes]
    memory = [item.memory_ratio for item in parts if item.memory_ratio]
    return Means(
        ratio=geometric_mean(item.ratio.median for item in parts),
        memory_ratio=geometric_mean(memory) if len(memory) == len(parts) else None,
    )
