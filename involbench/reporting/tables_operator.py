"""`bench operator` as tables for the terminal."""

from collections.abc import Iterator
from itertools import chain

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.benchmark_operator import OperatorBenchmark, ShapeResult
from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.tables_benchmark import (
    made_with,
    milliseconds,
    ratio_cell,
    share_cell,
    times_cell,
)
from involbench.results.benchmark import PARTS, Part

_SHAPE = "B,H,W,C,K,G"
_TIME_COLUMNS = (_SHAPE, "ours", "floor", "patches", "patches/ours", "depthwise", "3x3")
_COST_COLUMNS = (_SHAPE, "results", "ours", "patches", "ratio", "ours, s", "patches, s")
_UNFOLD_COLUMNS = (_SHAPE, "forward", "over ours", "gradients", "over ours")
_TITLES: dict[Part, str] = {
    "forward": "Forward, ms",
    "forward_and_gradients": "Forward and both gradients, ms",
}
_MIB = 2**20
_BOTH: Part = "forward_and_gradients"


def operator_view(benchmark: OperatorBenchmark) -> Iterator[RenderableType]:
    """What `bench operator` prints: times of each part, memory and first calls, notes."""
    for part, title in _TITLES.items():
        yield Text(title, style="bold")
        rows = [_times(result, part) for result in benchmark.shapes]
        yield NumbersTable(_TIME_COLUMNS, [*rows, _mean_times(benchmark, part)])
        yield Text()
    if benchmark.unfold is not None:
        yield Text("PyTorch's unfold, multiply, sum, beside ours, ms", style="bold")
        rows = [_unfold(result) for result in benchmark.shapes]
        yield NumbersTable(_UNFOLD_COLUMNS, [*rows, _mean_unfold(benchmark)])
        yield Text()
    yield Text("Peak extra memory, MiB, and first call, both with gradients", style="bold")
    costs = [*map(_costs, benchmark.shapes), _mean_costs(benchmark)]
    yield NumbersTable(_COST_COLUMNS, costs)
    yield Text()
    yield from map(Text, _operator_notes(benchmark))


def _times(result: ShapeResult, part: Part) -> tuple[str, ...]:
    ours, patches, depthwise, convolution = (
        result.forms[form].parts[part] for form in ("involution", "patches", "depthwise", "conv3x3")
    )
    return (
        str(result.shape),
        milliseconds(ours.seconds.median),
        share_cell(ours.floor_share),
        milliseconds(patches.seconds.median),
        ratio_cell(patches.ratio),
        milliseconds(depthwise.seconds.median),
        milliseconds(convolution.seconds.median),
    )


def _mean_times(benchmark: OperatorBenchmark, part: Part) -> tuple[str, ...]:
    means = benchmark.geometric_means
    floor = share_cell(means["involution"][part].floor_share)
    patches, depthwise, convolution = (
        times_cell(means[form][part].ratio) for form in ("patches", "depthwise", "conv3x3")
    )
    return "geometric mean", "", floor, "", patches, depthwise, convolution


def _unfold(result: ShapeResult) -> tuple[str, ...]:
    parts = (result.forms["unfold"].parts[part] for part in PARTS)
    cells = [(milliseconds(part.seconds.median), ratio_cell(part.ratio)) for part in parts]
    return str(result.shape), *chain.from_iterable(cells)


def _mean_unfold(benchmark: OperatorBenchmark) -> tuple[str, ...]:
    forward, both = (times_cell(benchmark.geometric_means["unfold"][part].ratio) for part in PARTS)
    return "geometric mean", "", forward, "", both


def _costs(result: ShapeResult) -> tuple[str, ...]:
    ours, patches = (result.forms[form] for form in ("involution", "patches"))
    return (
        str(result.shape),
        f"{ours.parts[_BOTH].results_bytes / _MIB:,.1f}",
        f"{ours.parts[_BOTH].peak_bytes / _MIB:,.1f}",
        f"{patches.parts[_BOTH].peak_bytes / _MIB:,.1f}",
        times_cell(patches.parts[_BOTH].memory_ratio),
        f"{ours.first_call_seconds:.2f}",
        f"{patches.first_call_seconds:.2f}",
    )


def _mean_costs(benchmark: OperatorBenchmark) -> tuple[str, ...]:
    mean = benchmark.geometric_means["patches"][_BOTH].memory_ratio
    return "geometric mean", "", "", "", times_cell(mean), "", ""


def _operator_notes(benchmark: OperatorBenchmark) -> Iterator[str]:
    speeds = [result.copy_bytes_per_second.median / 1e9 for result in benchmark.shapes]
    apart = max(result.largest_difference for result in benchmark.shapes)
    yield (
        f"Median of {benchmark.repeats} repeats in alternation, float32, {benchmark.data_format}; "
        "patches/ours: within a repeat, median (quartiles); geometric mean: of the medians of "
        f"such ratios. Patches: {benchmark.patches}; the results differ by at most {apart:.0e} of "
        "the largest."
    )
    if benchmark.unfold is not None:
        yield f"Beside ours: {benchmark.unfold}."
    yield (
        "floor: share of the memory's bandwidth reached, were every argument and result moved "
        f"once, against a copy in the same repeats ({min(speeds):.1f} to {max(speeds):.1f} GB/s); "
        "above 100% where caches hold the arrays."
    )
    yield (
        "Peak extra memory: beyond the arguments, results included, which alone take what is under "
        "results; in a process of its own; "
        f"{benchmark.memory_method}. First call: tracing and compiling included."
    )
    yield made_with(benchmark.machine)
