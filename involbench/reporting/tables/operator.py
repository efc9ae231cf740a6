"""`bench operator` and `bench step` as tables."""

from collections.abc import Iterator
from itertools import chain

from involbench.comparison.benchmarks import OperatorBenchmark, ShapeResult, StepBenchmark
from involbench.reporting.tables.table import Column, Page, Table, milliseconds, short
from involbench.reporting.units import percent
from involbench.results.benchmarks import PARTS, Machine, Part
from involbench.statistics.estimates import Quartiles

_SHAPE = "B,H,W,C,K,G"
_TITLES: dict[Part, str] = {
    "forward": "Forward, ms",
    "forward_and_gradients": "Forward and both gradients, ms",
}
_BOTH: Part = "forward_and_gradients"
_MEAN = "geometric mean"


def made_with(machine: Machine) -> str:
    """The versions and the hardware, as a sentence."""
    versions, hardware = machine.versions, machine.hardware
    names = ("involbench", "keras", versions["backend"], "numpy", "python")
    return (
        f"Made with {', '.join(f'{name} {versions[name]}' for name in names)} on {hardware.device} "
        f"({hardware.cpu}, {hardware.cores} core{'' if hardware.cores == 1 else 's'})."
    )


def _ratio(ratio: Quartiles) -> str:
    """A median ratio with its quartiles."""
    return f"{short(ratio.median)} ({short(ratio.lower_quartile)} to {short(ratio.upper_quartile)})"


def _times(factor: float | None) -> str | None:
    return None if factor is None else f"{short(factor)}x"


def operator_page(benchmark: OperatorBenchmark) -> Page:
    """Times of each part, memory and first calls."""
    tables = [_times_table(benchmark, part, title) for part, title in _TITLES.items()]
    if benchmark.unfold is not None:
        tables.append(_unfold_table(benchmark))
    return Page([*tables, _costs_table(benchmark)], [list(_notes(benchmark))])


def _times_table(benchmark: OperatorBenchmark, part: Part, title: str) -> Table:
    rows = []
    for result in benchmark.shapes:
        ours, patches, depthwise, convolution = (
            result.forms[form].parts[part]
            for form in ("involution", "patches", "depthwise", "conv3x3")
        )
        row = (
            str(result.shape),
            milliseconds(ours.seconds.median),
            percent(ours.floor_share, 0),
            milliseconds(patches.seconds.median),
            _ratio(patches.ratio),
            milliseconds(depthwise.seconds.median),
            milliseconds(convolution.seconds.median),
        )
        rows.append(row)
    means = {form: parts[part] for form, parts in benchmark.geometric_means.items()}
    floor = percent(means["involution"].floor_share, 0)
    ratios = [_times(means[form].ratio) for form in ("patches", "depthwise", "conv3x3")]
    columns = (_SHAPE, "ours", "floor", "patches", "patches/ours", "depthwise", "3x3")
    return Table(columns, [*rows, (_MEAN, "", floor, "", *ratios)], title)


def _unfold_table(benchmark: OperatorBenchmark) -> Table:
    rows = []
    for result in benchmark.shapes:
        parts = (result.forms["unfold"].parts[part] for part in PARTS)
        cells = [(milliseconds(part.seconds.median), _ratio(part.ratio)) for part in parts]
        rows.append((str(result.shape), *chain.from_iterable(cells)))
    forward, both = (_times(benchmark.geometric_means["unfold"][part].ratio) for part in PARTS)
    columns = (_SHAPE, "forward", "over ours", "gradients", "over ours")
    title = "PyTorch's unfold, multiply, sum, beside ours, ms"
    return Table(columns, [*rows, (_MEAN, "", forward, "", both)], title)


def _costs_table(benchmark: OperatorBenchmark) -> Table:
    mean = _times(benchmark.geometric_means["patches"][_BOTH].memory_ratio)
    rows = [*map(_costs, benchmark.shapes), (_MEAN, "", "", "", mean, "", "")]
    columns = (
        *(_SHAPE, "results", "ours", "patches", "ratio"),
        *(Column("ours", "s"), Column("patches", "s")),
    )
    return Table(columns, rows, "Peak extra memory, MiB, and first call, both with gradients")


def _costs(result: ShapeResult) -> tuple[str | float | None, ...]:
    ours, patches = (result.forms[form] for form in ("involution", "patches"))
    sizes = (
        ours.parts[_BOTH].results_bytes,
        ours.parts[_BOTH].peak_bytes,
        patches.parts[_BOTH].peak_bytes,
    )
    ratio = _times(patches.parts[_BOTH].memory_ratio)
    memory = (f"{size / 2**20:,.1f}" for size in sizes)
    return str(result.shape), *memory, ratio, ours.first_call_seconds, patches.first_call_seconds


def _notes(benchmark: OperatorBenchmark) -> Iterator[str]:
    speeds = [result.copy_bytes_per_second.median / 1e9 for result in benchmark.shapes]
    apart = max(result.largest_difference for result in benchmark.shapes)
    yield (
        f"Median of {benchmark.repeats} repeats in alternation, float32, {benchmark.data_format}. "
        "patches/ours: the ratio within a repeat, median (quartiles). geometric mean: of these "
        f"medians. Patches: {benchmark.patches}; the results differ by at most {apart:.0e} of "
        "the largest."
    )
    if benchmark.unfold is not None:
        yield f"Beside ours: {benchmark.unfold}."
    yield (
        "floor: the share of the memory bandwidth that is reached if each argument and result is "
        "moved once, relative to a copy in the same repeats "
        f"({min(speeds):.1f} to {max(speeds):.1f} GB/s). It is above 100% if caches hold the "
        "arrays."
    )
    yield (
        "Peak extra memory: memory beyond the arguments, measured in a separate process; "
        f"{benchmark.memory_method}. It includes the results, whose size is under `results`. "
        "First call: with tracing and compilation."
    )
    yield made_with(benchmark.machine)


def step_page(benchmark: StepBenchmark) -> Page:
    """A row for each network."""
    names = {"patches": "published layer", "involution": "our layer", "control": "no involution"}
    rows = []
    for name, result in benchmark.networks.items():
        step = result.seconds
        low, high = milliseconds(step.lower_quartile), milliseconds(step.upper_quartile)
        cell = f"{milliseconds(step.median)} ({low} to {high})"
        rows.append((names[name], result.first_step_seconds, cell, _ratio(result.ratio)))
    columns = ("network", Column("first step", "s"), "step, ms", "over ours")
    shape = "x".join(map(str, benchmark.image_shape))
    notes = [
        f"{benchmark.batch_size} images of {shape}; median (quartiles) of {benchmark.repeats} "
        "steps after the first, in alternation; over ours: within a repeat. Published layer: "
        f"{benchmark.patches}.",
        "Both INNs start from the same weights. Their losses differ by at most "
        f"{benchmark.largest_loss_difference:.1e} over {benchmark.repeats + 1} steps.",
        made_with(benchmark.machine),
    ]
    return Page([Table(columns, rows, "A training step of the keras.io INN")], [notes])
