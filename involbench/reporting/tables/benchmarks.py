"""`bench model`, `bench export` and `export` as tables, CSV rows and figures."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from involbench.comparison.benchmark_models import (
    ExportsBenchmark,
    Latency,
    ModelCost,
    ModelsBenchmark,
)
from involbench.reporting.plots.models import Time, plot_times
from involbench.reporting.tables.operator import made_with
from involbench.reporting.tables.table import Cell, Column, Page, Table, milliseconds, short
from involbench.results.benchmarks import ExportRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPORTS_VERSION = 1
"""Version of the JSON document of `export`."""

Rows = list[tuple[Cell, ...]]
_LATENCY = ("median", "lower_quartile", "upper_quartile", "p95", "ratio", "ratio_low", "ratio_high")


def models_page(benchmark: ModelsBenchmark) -> Page:
    """Sizes, a table for each batch size, the training step, and how the time grows."""
    models = benchmark.models
    tables = [_sizes(models)]
    for batch in models[0].inference:
        rows = [_model(m, m.inference[batch], m.peak_bytes[batch], benchmark) for m in models]
        tables.append(_times(_call(batch), rows))
    rows = [_model(m, m.step, m.step_bytes, benchmark) for m in models]
    tables.append(_times(_step(benchmark), rows))
    if benchmark.exponents:
        tables.append(_growth(benchmark))
    return Page(tables, [list(_models_notes(benchmark))])


def models_rows(benchmark: ModelsBenchmark) -> tuple[tuple[str, ...], Rows]:
    """Column names, and a row for each model and call in seconds and bytes, for CSV."""
    rows: Rows = []
    for model in benchmark.models:
        calls: list[tuple[str, int, Latency, int | None]] = [
            ("inference", batch, latency, model.peak_bytes[batch])
            for batch, latency in model.inference.items()
        ]
        calls.append(("training step", benchmark.step_batch, model.step, model.step_bytes))
        for call, batch, latency, peak in calls:
            sizes = (peak, model.sizes.parameters, model.sizes.macs)
            rows.append((model.name, call, batch, *_latency(latency), *sizes))
    return ("model", "call", "batch", *_LATENCY, "peak_bytes", "parameters", "macs"), rows


def models_figure(benchmark: ModelsBenchmark) -> "Figure":
    """Inferences and the training step, a row each."""
    times = {
        _call(batch): {model.name: _time(model.inference[batch]) for model in benchmark.models}
        for batch in benchmark.models[0].inference
    }
    step = {model.name: _time(model.step) for model in benchmark.models}
    return plot_times({**times, _step(benchmark): step})


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


def _times(title: str, rows: Rows) -> Table:
    columns = (
        *("model", Column("median", "ms"), "quartiles", Column("p95", "ms")),
        *("times the baseline", Column("peak", "MiB")),
    )
    return Table(columns, rows, title)


def _model(
    model: ModelCost, latency: Latency, peak: int | None, benchmark: ModelsBenchmark
) -> tuple[Cell, ...]:
    low, high = milliseconds(latency.lower_quartile), milliseconds(latency.upper_quartile)
    ratio = _ratio(latency, model.network == benchmark.baseline)
    return model.name, latency.median, f"{low} to {high}", latency.p95, ratio, peak


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
    times: dict[str, dict[str, Time]] = {}
    for cost in benchmark.exports:
        named = times.setdefault(_title(cost.format, cost.threads), {})
        named[cost.network] = _time(cost.latency)
    return plot_times(times)


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


def _time(latency: Latency) -> Time:
    return Time(latency.median, latency.lower_quartile, latency.upper_quartile)


def _call(batch: int) -> str:
    return f"Inference, {batch} image{'' if batch == 1 else 's'}"


def _step(benchmark: ModelsBenchmark) -> str:
    return f"Training step, {benchmark.step_batch} images"


def _title(form: str, threads: int) -> str:
    return f"{form}, {threads} thread{'' if threads == 1 else 's'}"
