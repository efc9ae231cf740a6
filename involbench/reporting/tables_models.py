"""`bench model` as tables: for the terminal, as CSV and as Markdown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.benchmark_models import Exponent, Latency, ModelCost, ModelsBenchmark
from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.plots.times import Time, plot_times
from involbench.reporting.tables_benchmark import made_with, milliseconds, short
from involbench.reporting.tables_markdown import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MIB = 2**20
_SIZE_COLUMNS = ("model", "parameters", "MACs", "activations", "file, MiB", "first call, s")
_TIME_COLUMNS = ("model", "median, ms", "quartiles", "p95", "times the baseline", "peak, MiB")
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
            _times(model, model.inference[batch], model.peak_bytes[batch], benchmark)
            for model in benchmark.models
        ]
        yield _call(batch), _TIME_COLUMNS, rows
    rows = [_times(m, m.step, m.step_bytes, benchmark) for m in benchmark.models]
    yield _step(benchmark), _TIME_COLUMNS, rows
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


def _times(
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
