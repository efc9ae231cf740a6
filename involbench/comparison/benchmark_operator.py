"""Times of the operator and of training steps -> ratios within a repeat."""

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
from involbench.statistics.quartiles import Spread, ratios, spread


class FormPart(Record):
    """One form at one shape: forward alone, or with gradients."""

    seconds: Spread
    samples: tuple[float, ...]
    """Seconds, one value a repeat."""
    ratio: Spread
    """Its time over the involution's in the same repeat; above 1 it is slower."""
    peak_bytes: int
    """The most memory held beyond the arguments; results count."""
    results_bytes: int
    """What the results take of it."""
    memory_ratio: float | None
    """Its peak over the involution's; None where the involution's is 0."""
    floor_bytes: int
    """What must move: every argument and every result once."""
    floor_share: float
    """Time that these bytes take at the copy's bandwidth over the time taken.

    Above 1 where the caches hold what need not come from memory.
    """


class FormResult(Record):
    """One form at one shape."""

    first_call_seconds: float
    parts: dict[Part, FormPart]


class ShapeResult(Record):
    """Everything of one shape."""

    shape: OperatorShape
    copy_bytes_per_second: Spread
    copy_samples: tuple[float, ...]
    """Bytes per second, one value a repeat."""
    largest_difference: float
    forms: dict[Form, FormResult]


class Means(Record):
    """Geometric means over the shapes, of the median ratios, memory ratios and floor shares."""

    ratio: float
    memory_ratio: float | None
    floor_share: float


class OperatorBenchmark(Record):
    """What `bench operator` prints."""

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
    """Times and memory of at least one shape, at least two repeats, as one result."""
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
    copy = spread(times.copy_bytes_per_second)
    return ShapeResult(
        shape=times.shape,
        copy_bytes_per_second=copy,
        copy_samples=times.copy_bytes_per_second,
        largest_difference=times.largest_difference,
        forms={
            form: FormResult(
                first_call_seconds=times.forms[form].first_call_seconds,
                parts={part: _part(times, memory, copy, form, part) for part in PARTS},
            )
            for form in times.forms
        },
    )


def _part(
    times: OperatorTimes, memory: OperatorMemory, copy: Spread, form: Form, part: Part
) -> FormPart:
    samples, ours = (times.forms[name].seconds[part] for name in (form, "involution"))
    taken, peak = spread(samples), memory.peak_bytes[form][part]
    our_peak = memory.peak_bytes["involution"][part]
    floor = times.shape.floor_bytes(form, part)
    return FormPart(
        seconds=taken,
        samples=samples,
        ratio=ratios(samples, ours),
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
    seconds: Spread
    samples: tuple[float, ...]
    ratio: Spread
    """Its time over that of the network on our layer, step by step."""
    losses: tuple[float, ...]


class StepBenchmark(Record):
    """What `bench step` prints."""

    schema_version: Literal[1] = 1
    repeats: int
    batch_size: int
    image_shape: tuple[int, int, int]
    patches: str
    networks: dict[Network, NetworkResult]
    largest_loss_difference: float
    """Of the losses on our layer from those on the published one, over all steps."""
    machine: Machine


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
