"""Benchmarks of the operator, of training steps and of networks as tables."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from involbench.comparison.benchmark_models import Exponent, Latency, ModelCost, ModelsBenchmark
from involbench.comparison.benchmark_operator import (
    NetworkResult,
    OperatorBenchmark,
    ShapeResult,
    StepBenchmark,
)
from involbench.reporting.plots.costs import Time, plot_times
from involbench.reporting.tables import NumbersTable
from involbench.reporting.tables.comparison import markdown_table
from involbench.results.benchmarks import PARTS, Machine, Part
from involbench.statistics.descriptive import Quartiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def made_with(machine: Machine) -> str:
    """The versions and the hardware, as a sentence."""
    versions, hardware = machine.versions, machine.hardware
    backend = versions["backend"]
    names = ("involbench", "keras", backend, "numpy", "python")
    return (
        f"Made with {', '.join(f'{name} {versions[name]}' for name in names)} on {hardware.device} "
        f"({hardware.cpu}, {hardware.cores} core{'' if hardware.cores == 1 else 's'})."
    )


def ratio_cell(ratio: Quartiles) -> str:
    """A median ratio with its quartiles."""
    lower, upper = short(ratio.lower_quartile), short(ratio.upper_quartile)
    return f"{short(ratio.median)} ({lower} to {upper})"


def times_cell(factor: float | None) -> str:
    """A factor, `n/a` for None."""
    return "n/a" if factor is None else f"{short(factor)}x"


def share_cell(share: float) -> str:
    """A share in whole percent."""
    return f"{100 * share:.0f}%"


def milliseconds(seconds: float) -> str:
    """Seconds, written in milliseconds."""
    return short(1e3 * seconds)


def short(value: float) -> str:
    """Two digits or three."""
    if value < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


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


def step_view(benchmark: StepBenchmark) -> Iterator[RenderableType]:
    """What `bench step` prints: a line a network, notes."""
    yield Text("A training step of the keras.io INN", style="bold")
    columns = ("network", "first step, s", "step, ms", "over ours")
    names = {"patches": "published layer", "involution": "our layer", "control": "no involution"}
    rows = [_steps(names[name], result) for name, result in benchmark.networks.items()]
    yield NumbersTable(columns, rows)
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
    yield Text(made_with(benchmark.machine))


def _steps(name: str, result: NetworkResult) -> tuple[str, ...]:
    taken = result.seconds
    quartiles = f"({milliseconds(taken.lower_quartile)} to {milliseconds(taken.upper_quartile)})"
    return (
        name,
        f"{result.first_step_seconds:.2f}",
        f"{milliseconds(taken.median)} {quartiles}",
        ratio_cell(result.ratio),
    )


_SIZE_COLUMNS = ("model", "parameters", "MACs", "activations", "file, MiB", "first call, s")
_MODEL_TIME_COLUMNS = ("model", "median, ms", "quartiles", "p95", "times the baseline", "peak, MiB")
_EXPONENT_COLUMNS = ("model", "over", "at", "time ~ it to the power", "from", "to")

Titled = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def models_view(benchmark: ModelsBenchmark) -> Iterator[RenderableType]:
    """What `bench model` prints: sizes, a table a batch, the training step, notes."""
    for title, columns, rows in _tables(benchmark):
        yield Text(title, style="bold")
        yield NumbersTable(columns, rows)
        yield Text()
    yield from map(Text, _notes(benchmark))


def models_markdown(benchmark: ModelsBenchmark) -> str:
    """The same as Markdown."""
    tables = (
        f"**{title}**\n\n{markdown_table(columns, rows)}"
        for title, columns, rows in _tables(benchmark)
    )
    notes = "\n".join(f"- {line}" for line in _notes(benchmark))
    return "\n\n".join([*tables, notes]) + "\n"


def models_rows(benchmark: ModelsBenchmark) -> list[tuple[str | float | None, ...]]:
    """A heading, and a row a model and call, in seconds and bytes, for CSV."""
    columns = ("model", "call", "batch", "median", "lower_quartile", "upper_quartile", "p95")
    rows: list[tuple[str | float | None, ...]] = [
        (*columns, "ratio", "ratio_low", "ratio_high", "peak_bytes", "parameters", "macs")
    ]
    for model in benchmark.models:
        calls: list[tuple[str, int, Latency, int | None]] = [
            ("inference", batch, latency, model.peak_bytes[batch])
            for batch, latency in model.inference.items()
        ]
        calls.append(("training step", benchmark.step_batch, model.step, model.step_bytes))
        for call, batch, took, peak in calls:
            middle = (took.median, took.lower_quartile, took.upper_quartile, took.p95)
            sizes = (peak, model.sizes.parameters, model.sizes.macs)
            rows.append(
                (model.name, call, batch, *middle, took.ratio, *took.ratio_interval, *sizes)
            )
    return rows


def models_figure(benchmark: ModelsBenchmark) -> "Figure":
    """Inferences and training step, a row each."""
    times = {
        _call(batch): {model.name: _time(model.inference[batch]) for model in benchmark.models}
        for batch in benchmark.models[0].inference
    }
    step = {model.name: _time(model.step) for model in benchmark.models}
    return plot_times({**times, _step(benchmark): step})


def _time(took: Latency) -> Time:
    return Time(took.median, took.lower_quartile, took.upper_quartile)


def _call(batch: int) -> str:
    return f"Inference, {batch} image{'' if batch == 1 else 's'}"


def _step(benchmark: ModelsBenchmark) -> str:
    return f"Training step, {benchmark.step_batch} images"


def _tables(benchmark: ModelsBenchmark) -> Iterator[Titled]:
    yield "Sizes", _SIZE_COLUMNS, [_sizes(model) for model in benchmark.models]
    for batch in benchmark.models[0].inference:
        rows = [
            _model_times(model, model.inference[batch], model.peak_bytes[batch], benchmark)
            for model in benchmark.models
        ]
        yield _call(batch), _MODEL_TIME_COLUMNS, rows
    rows = [_model_times(m, m.step, m.step_bytes, benchmark) for m in benchmark.models]
    yield _step(benchmark), _MODEL_TIME_COLUMNS, rows
    if benchmark.exponents:
        rows = [_grows(exponent) for exponent in benchmark.exponents]
        yield "How the time of an inference grows", _EXPONENT_COLUMNS, rows


def _sizes(model: ModelCost) -> tuple[str, ...]:
    sizes = model.sizes
    return (
        model.name,
        f"{sizes.parameters:,}",
        "n/a" if sizes.macs is None else f"{sizes.macs:,}",
        f"{sizes.activations:,}",
        short(sizes.file_bytes / _MIB),
        f"{model.first_call_seconds:.2f}",
    )


def _model_times(
    model: ModelCost, took: Latency, peak: int | None, benchmark: ModelsBenchmark
) -> tuple[str, ...]:
    low, high = map(short, took.ratio_interval)
    is_baseline = model.network == benchmark.baseline
    return (
        model.name,
        milliseconds(took.median),
        f"{milliseconds(took.lower_quartile)} to {milliseconds(took.upper_quartile)}",
        milliseconds(took.p95),
        "baseline" if is_baseline else f"{short(took.ratio)} [{low}, {high}]",
        "n/a" if peak is None else short(peak / _MIB),
    )


def _grows(exponent: Exponent) -> tuple[str, ...]:
    low, high = (f"{value:.2f}" for value in exponent.interval)
    return (
        exponent.name,
        "pixels" if exponent.over == "pixels" else "images",
        exponent.at,
        f"{exponent.value:.2f} [{low}, {high}]",
        f"{min(exponent.numbers):,}",
        f"{max(exponent.numbers):,}",
    )


def _notes(benchmark: ModelsBenchmark) -> Iterator[str]:
    shapes = {model.input_shape for model in benchmark.models}
    images = " and ".join("x".join(map(str, shape)) for shape in sorted(shapes))
    yield (
        f"Images of {images}; {benchmark.repeats} repeats in alternation, each after an untimed "
        "call; a training step in every fifth. Times the baseline: median of the ratios within a "
        "repeat, with its 95% interval."
    )
    yield (
        f"Peak: memory beyond weights and images ({benchmark.memory_method}). Activations: numbers "
        "in all layers' results, for one image."
    )
    yield made_with(benchmark.machine)
