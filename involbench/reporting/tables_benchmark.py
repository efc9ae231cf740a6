"""Benchmarks as tables for the terminal, 80 columns wide."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.benchmark import (
    NetworkResult,
    OperatorBenchmark,
    ShapeResult,
    Spread,
    StepBenchmark,
)
from involbench.reporting.tables import numbers_table
from involbench.results.benchmark import Machine, Part

MISSING = "n/a"
_SHAPE = "B,H,W,C,K,G"
_TIME_COLUMNS = (_SHAPE, "ours", "floor", "patches", "patches/ours", "depthwise", "conv3x3")
_COST_COLUMNS = (_SHAPE, "ours, MiB", "patches, MiB", "ratio", "ours, s", "patches, s")
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
        yield numbers_table(_TIME_COLUMNS, [*rows, _mean_times(benchmark, part)])
        yield Text()
    yield Text("Peak extra memory and first call, both with gradients", style="bold")
    costs = [*map(_costs, benchmark.shapes), _mean_costs(benchmark)]
    yield numbers_table(_COST_COLUMNS, costs)
    yield Text()
    yield from map(Text, _operator_notes(benchmark))


def step_view(benchmark: StepBenchmark) -> Iterator[RenderableType]:
    """What `bench step` prints: a line a network, notes."""
    yield Text("A training step of the keras.io INN", style="bold")
    columns = ("network", "first step, s", "step, ms", "over ours")
    names = {"patches": "published layer", "involution": "our layer", "control": "no involution"}
    rows = [_steps(names[name], result) for name, result in benchmark.networks.items()]
    yield numbers_table(columns, rows)
    yield Text()
    shape = "x".join(map(str, benchmark.image_shape))
    yield Text(
        f"{benchmark.batch_size} images of {shape}; median (quartiles) of {benchmark.repeats} "
        "steps after the first, in alternation; over ours: within a repeat. Published layer: "
        f"{benchmark.patches}."
    )
    yield Text(
        "Same initial weights: the losses of both INNs are at most "
        f"{benchmark.largest_loss_difference:.1e} apart over {benchmark.repeats + 1} steps."
    )
    yield Text(_made_with(benchmark.machine))


def _times(result: ShapeResult, part: Part) -> tuple[str, ...]:
    ours, patches, depthwise, convolution = (
        result.forms[form].parts[part] for form in ("involution", "patches", "depthwise", "conv3x3")
    )
    return (
        str(result.shape),
        _ms(ours.seconds.median),
        MISSING if ours.floor_share is None else f"{100 * ours.floor_share:.0f}%",
        _ms(patches.seconds.median),
        _ratio(patches.ratio),
        _ms(depthwise.seconds.median),
        _ms(convolution.seconds.median),
    )


def _mean_times(benchmark: OperatorBenchmark, part: Part) -> tuple[str, ...]:
    patches, depthwise, convolution = (
        f"{_short(benchmark.geometric_means[form][part].ratio)}x"
        for form in ("patches", "depthwise", "conv3x3")
    )
    return "geometric mean", "1x", "", "", patches, depthwise, convolution


def _costs(result: ShapeResult) -> tuple[str, ...]:
    ours, patches = (result.forms[form] for form in ("involution", "patches"))
    return (
        str(result.shape),
        f"{ours.parts[_BOTH].peak_bytes / _MIB:,.1f}",
        f"{patches.parts[_BOTH].peak_bytes / _MIB:,.1f}",
        _times_or_missing(patches.parts[_BOTH].memory_ratio),
        f"{ours.first_call_seconds:.2f}",
        f"{patches.first_call_seconds:.2f}",
    )


def _mean_costs(benchmark: OperatorBenchmark) -> tuple[str, ...]:
    mean = benchmark.geometric_means["patches"][_BOTH].memory_ratio
    return "geometric mean", "", "", _times_or_missing(mean), "", ""


def _steps(name: str, result: NetworkResult) -> tuple[str, ...]:
    taken = result.seconds
    quartiles = f"({_ms(taken.lower_quartile)} to {_ms(taken.upper_quartile)})"
    return (
        name,
        f"{result.first_step_seconds:.2f}",
        f"{_ms(taken.median)} {quartiles}",
        _ratio(result.ratio),
    )


def _operator_notes(benchmark: OperatorBenchmark) -> Iterator[str]:
    speeds = [result.copy_bytes_per_second.median / 1e9 for result in benchmark.shapes]
    apart = max(result.largest_difference for result in benchmark.shapes)
    yield (
        f"Median of {benchmark.repeats} repeats in alternation, float32, {benchmark.data_format}; "
        "patches/ours: within a repeat, median (quartiles); geometric mean: of the medians of "
        f"such ratios. Patches: {benchmark.patches}; the results differ by at most {apart:.0e} of "
        "the largest."
    )
    yield (
        "floor: share of the memory's bandwidth reached, were every argument and result moved "
        f"once, against a copy in the same repeats ({min(speeds):.1f} to {max(speeds):.1f} GB/s); "
        "above 100% where caches hold the arrays."
    )
    yield (
        "Peak extra memory: beyond the arguments, results included, in a process of its own; "
        f"{benchmark.memory_method}. First call: tracing and compiling included."
    )
    yield _made_with(benchmark.machine)


def _made_with(machine: Machine) -> str:
    versions, hardware = machine.versions, machine.hardware
    backend = versions["backend"]
    names = ("involbench", "keras", backend, "numpy", "python")
    return (
        f"Made with {', '.join(f'{name} {versions[name]}' for name in names)} on {hardware.device} "
        f"({hardware.cpu}, {hardware.cores} cores)."
    )


def _ratio(ratio: Spread) -> str:
    lower, upper = _short(ratio.lower_quartile), _short(ratio.upper_quartile)
    return f"{_short(ratio.median)} ({lower} to {upper})"


def _times_or_missing(ratio: float | None) -> str:
    return MISSING if ratio is None else f"{_short(ratio)}x"


def _ms(seconds: float) -> str:
    return _short(1e3 * seconds)


def _short(value: float) -> str:
    """Two digits or three."""
    if value < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
