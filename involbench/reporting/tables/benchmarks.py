"""`bench` and `export` as tables, CSV rows and figures."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import geometric_mean
from typing import TYPE_CHECKING

from involbench.comparison.benchmarks import (
    ExportsBenchmark,
    Latency,
    ModelCost,
    ModelsBenchmark,
    OperatorBenchmark,
    ShapeResult,
    StepBenchmark,
)
from involbench.reporting.tables import Column, Page, Rows, Table, milliseconds, short
from involbench.reporting.units import counted, percent
from involbench.results.benchmarks import PARTS, ExportRecord, Machine, Part
from involbench.statistics.estimates import Quartiles, ratio_quartiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPORTS_VERSION = 1
"""Version of the JSON document of `export`."""

_LATENCY = ("median", "lower_quartile", "upper_quartile", "p95", "ratio", "ratio_low", "ratio_high")


_Calls = Iterator[tuple[str, str, int, Sequence[tuple[ModelCost, Latency, int | None]]]]


def models_page(benchmark: ModelsBenchmark) -> Page:
    """Sizes, a table for each batch size, the training step, and how the time grows."""
    columns = (
        *("model", Column("median", "ms"), "quartiles", Column("p95", "ms")),
        *("times the baseline", Column("peak", "MiB")),
    )
    tables = [_sizes(benchmark.models)]
    for title, _, _, costs in _calls(benchmark):
        rows = [
            (
                *(model.name, time.median, f"{low} to {high}", time.p95),
                *(_ratio(time, model.network == benchmark.baseline), peak),
            )
            for model, time, peak in costs
            for low, high in [map(milliseconds, (time.lower_quartile, time.upper_quartile))]
        ]
        tables.append(Table(columns, rows, title))
    if benchmark.exponents:
        tables.append(_growth(benchmark))
    return Page(tables, [list(_models_notes(benchmark))])


def models_rows(benchmark: ModelsBenchmark) -> tuple[tuple[str, ...], Rows]:
    """Column names, and a row for each model and call in seconds and bytes, for CSV."""
    rows: Rows = [
        (model.name, call, batch, *_latency(time), peak, model.sizes.parameters, model.sizes.macs)
        for _, call, batch, costs in _calls(benchmark)
        for model, time, peak in costs
    ]
    names = [model.name for model in benchmark.models]
    rows.sort(key=lambda row: names.index(str(row[0])))
    return ("model", "call", "batch", *_LATENCY, "peak_bytes", "parameters", "macs"), rows


def models_figure(benchmark: ModelsBenchmark) -> "Figure":
    """Inferences and the training step, a row each."""
    return _figure(
        {
            title: {model.name: time for model, time, _ in costs}
            for title, _, _, costs in _calls(benchmark)
        }
    )


def _calls(benchmark: ModelsBenchmark) -> _Calls:
    """For each call: its title, kind and batch, and what it costs for each model."""
    models = benchmark.models
    for batch in models[0].inference:
        costs = [(each, each.inference[batch], each.peak_bytes[batch]) for each in models]
        yield f"Inference, {counted(batch, 'image')}", "inference", batch, costs
    steps = [(each, each.step, each.step_bytes) for each in models]
    title = f"Training step, {benchmark.step_batch} images"
    yield title, "training step", benchmark.step_batch, steps


def _sizes(models: Sequence[ModelCost]) -> Table:
    columns = (
        *("model", "parameters", "MACs", "activations"),
        *(Column("file", "MiB"), Column("first call", "s")),
    )
    rows = [
        (
            *(model.name, model.sizes.parameters, model.sizes.macs, model.sizes.activations),
            *(model.sizes.file_bytes, model.first_call_seconds),
        )
        for model in models
    ]
    return Table(columns, rows, "Sizes")


def _growth(benchmark: ModelsBenchmark) -> Table:
    rows = []
    for exponent in benchmark.exponents:
        low, high = (f"{value:.2f}" for value in exponent.interval)
        over = "pixels" if exponent.over == "pixels" else "images"
        power = f"{exponent.value:.2f} [{low}, {high}]"
        ends = min(exponent.numbers), max(exponent.numbers)
        rows.append((exponent.name, over, exponent.at, power, *ends))
    columns = ("model", "over", "at", "time ~ it to the power", "from", "to")
    return Table(columns, rows, "How the time of an inference grows")


def _models_notes(benchmark: ModelsBenchmark) -> Iterator[str]:
    shapes = {model.input_shape for model in benchmark.models}
    images = " and ".join("x".join(map(str, shape)) for shape in sorted(shapes))
    yield (
        f"Images of {images}; {benchmark.repeats} repeats in alternation, each after an untimed "
        "call; a training step in every fifth. Times the baseline: median of the ratios within a "
        "repeat, with its 95% interval."
    )
    yield (
        f"Peak: memory beyond weights and images ({benchmark.memory_method}). Activations: numbers "
        "in the results of all layers, for one image."
    )
    yield made_with(benchmark.machine)


def exports_page(exports: Sequence[ExportRecord]) -> Page:
    """A row for each format, and what the columns mean."""
    columns = (
        *("format", Column("size", "bytes"), "differs by"),
        *(Column("same class", "%"), Column("accuracy", "%"), Column("Keras'", "%")),
    )
    rows = [
        (
            *(each.format, each.size_bytes, f"{each.largest_difference:.1e}"),
            *(each.agreement, each.accuracy, each.keras_accuracy),
        )
        for each in exports
    ]
    note = (
        f"Compared with Keras on {exports[0].test_images} test images, each in its own runtime: "
        "the largest difference of a probability, how often the class is the same, and how often "
        "it is the true one."
    )
    return Page([Table(columns, rows)], [[note]])


def exports_benchmark_page(benchmark: ExportsBenchmark) -> Page:
    """A table for each format and number of threads."""
    columns = (
        *("model", Column("median", "ms"), Column("p95", "ms"), "times the baseline"),
        *(Column("size", "bytes"), Column("accuracy", "%")),
    )
    tables = []
    for threads, form in dict.fromkeys((cost.threads, cost.format) for cost in benchmark.exports):
        costs = [c for c in benchmark.exports if (c.threads, c.format) == (threads, form)]
        rows = [
            (
                *(cost.network, cost.latency.median, cost.latency.p95),
                _ratio(cost.latency, cost.network == costs[0].network),
                *(cost.size_bytes, cost.accuracy),
            )
            for cost in costs
        ]
        tables.append(Table(columns, rows, _title(form, threads)))
    return Page(tables, [list(_exports_notes(benchmark))])


def exports_rows(benchmark: ExportsBenchmark) -> tuple[tuple[str, ...], Rows]:
    """Column names, and a row for each network, format and number of threads, for CSV."""
    rows: Rows = []
    for cost in benchmark.exports:
        known = (cost.size_bytes, cost.accuracy, cost.keras_accuracy)
        rows.append((cost.network, cost.format, cost.threads, *_latency(cost.latency), *known))
    names = ("model", "format", "threads", *_LATENCY)
    return (*names, "size_bytes", "accuracy", "keras_accuracy"), rows


def exports_figure(benchmark: ExportsBenchmark) -> "Figure":
    """A row for each format and number of threads."""
    times: dict[str, dict[str, Latency]] = {}
    for cost in benchmark.exports:
        times.setdefault(_title(cost.format, cost.threads), {})[cost.network] = cost.latency
    return _figure(times)


def _figure(times: Mapping[str, Mapping[str, Latency]]) -> "Figure":
    """A row for each call, with the time of each model."""
    from involbench.reporting.plots import Time, plot_times

    return plot_times(
        {
            call: {
                name: Time(time.median, time.lower_quartile, time.upper_quartile)
                for name, time in by_model.items()
            }
            for call, by_model in times.items()
        }
    )


def _exports_notes(benchmark: ExportsBenchmark) -> Iterator[str]:
    processes = "" if benchmark.processes == 1 else f" in each of {benchmark.processes} processes"
    yield (
        f"One image on the CPU, {benchmark.repeats} repeats in alternation{processes}, each after "
        "an untimed call. Times the baseline: median of the ratios within a repeat, with its 95% "
        f"interval. Accuracy: of the exported model on {benchmark.test_images} test images."
    )
    yield from (f"Left out: {failure}" for failure in benchmark.failures)
    yield made_with(benchmark.machine)


def _ratio(latency: Latency, is_baseline: bool) -> str:
    low, high = map(short, latency.ratio_interval)
    return "baseline" if is_baseline else f"{short(latency.ratio)} [{low}, {high}]"


def _latency(latency: Latency) -> tuple[float, ...]:
    middle = (latency.median, latency.lower_quartile, latency.upper_quartile, latency.p95)
    return (*middle, latency.ratio, *latency.ratio_interval)


def _title(form: str, threads: int) -> str:
    return f"{form}, {counted(threads, 'thread')}"


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
        f"({hardware.cpu}, {counted(hardware.cores, 'core')})."
    )


def _with_quartiles(ratio: Quartiles) -> str:
    """A median ratio with its quartiles."""
    return f"{short(ratio.median)} ({short(ratio.lower_quartile)} to {short(ratio.upper_quartile)})"


def _factor(factor: float | None) -> str | None:
    return None if factor is None else f"{short(factor)}x"


def operator_page(benchmark: OperatorBenchmark) -> Page:
    """Times of each part, memory and first calls."""
    tables = [_part_table(benchmark, part, title) for part, title in _TITLES.items()]
    if benchmark.unfold is not None:
        tables.append(_unfold_table(benchmark))
    if "fused_layer" in benchmark.geometric_means:
        tables.append(_layers_table(benchmark))
    return Page([*tables, _costs_table(benchmark)], [list(_operator_notes(benchmark))])


def _part_table(benchmark: OperatorBenchmark, part: Part, title: str) -> Table:
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
            _with_quartiles(patches.ratio),
            milliseconds(depthwise.seconds.median),
            milliseconds(convolution.seconds.median),
        )
        rows.append(row)
    means = {form: parts[part] for form, parts in benchmark.geometric_means.items()}
    floor = percent(means["involution"].floor_share, 0)
    ratios = [_factor(means[form].ratio) for form in ("patches", "depthwise", "conv3x3")]
    columns = (_SHAPE, "ours", "floor", "patches", "patches/ours", "depthwise", "3x3")
    return Table(columns, [*rows, (_MEAN, "", floor, "", *ratios)], title)


def _unfold_table(benchmark: OperatorBenchmark) -> Table:
    rows = []
    for result in benchmark.shapes:
        parts = (result.forms["unfold"].parts[part] for part in PARTS)
        cells = [(milliseconds(part.seconds.median), _with_quartiles(part.ratio)) for part in parts]
        rows.append((str(result.shape), *chain.from_iterable(cells)))
    forward, both = (_factor(benchmark.geometric_means["unfold"][part].ratio) for part in PARTS)
    columns = (_SHAPE, "forward", "over ours", "gradients", "over ours")
    title = "PyTorch's unfold, multiply, sum, beside ours, ms"
    return Table(columns, [*rows, (_MEAN, "", forward, "", both)], title)


def _layers_table(benchmark: OperatorBenchmark) -> Table:
    """The layer with stored kernels, fused, and a convolution, with all gradients."""
    rows, means = list[tuple[str, ...]](), list[tuple[float, float]]()
    for result in benchmark.shapes:
        stored, fused, convolution = (
            result.forms[form].parts[_BOTH] for form in ("layer", "fused_layer", "conv3x3")
        )
        ratios = [
            ratio_quartiles(*(part.samples for part in pair))
            for pair in ((stored, fused), (fused, convolution))
        ]
        times = (milliseconds(part.seconds.median) for part in (stored, fused, convolution))
        means.append((ratios[0].median, ratios[1].median))
        both = _with_quartiles(ratios[0]), short(ratios[1].median)
        rows.append((str(result.shape), *times, *both))
    mean = (_factor(geometric_mean(each)) for each in zip(*means, strict=True))
    columns = (_SHAPE, "stored", "fused", "3x3", "stored/fused", "fused/3x3")
    title = "The whole layer, kernels stored and fused, with all gradients, ms"
    return Table(columns, [*rows, (_MEAN, "", "", "", *mean)], title)


def _costs_table(benchmark: OperatorBenchmark) -> Table:
    mean = _factor(benchmark.geometric_means["patches"][_BOTH].memory_ratio)
    rows = [*map(_time_and_memory, benchmark.shapes), (_MEAN, "", "", "", mean, "", "")]
    columns = (
        *(_SHAPE, "results", "ours", "patches", "ratio"),
        *(Column("ours", "s"), Column("patches", "s")),
    )
    return Table(columns, rows, "Peak extra memory, MiB, and first call, both with gradients")


def _time_and_memory(result: ShapeResult) -> tuple[str | float | None, ...]:
    ours, patches = (result.forms[form] for form in ("involution", "patches"))
    sizes = (
        ours.parts[_BOTH].results_bytes,
        ours.parts[_BOTH].peak_bytes,
        patches.parts[_BOTH].peak_bytes,
    )
    ratio = _factor(patches.parts[_BOTH].memory_ratio)
    memory = (f"{size / 2**20:,.1f}" for size in sizes)
    return str(result.shape), *memory, ratio, ours.first_call_seconds, patches.first_call_seconds


def _operator_notes(benchmark: OperatorBenchmark) -> Iterator[str]:
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
        rows.append((names[name], result.first_step_seconds, cell, _with_quartiles(result.ratio)))
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
