"""`bench operator` and `bench step`: from measured times to ratios."""

from collections.abc import Iterable, Sequence
from statistics import geometric_mean
from typing import Literal

from involbench.results.benchmarks import (
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
from involbench.statistics.descriptive import Quartiles, quartiles, ratio_quartiles


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
    forms: dict[Form, ImplementationResult]


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
    geometric_means: dict[Form, dict[Part, Means]]
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
    times: OperatorTimes, memory: OperatorMemory, copy: Quartiles, form: Form, part: Part
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


def _means(shapes: Iterable[ShapeResult], form: Form, part: Part) -> Means:
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
