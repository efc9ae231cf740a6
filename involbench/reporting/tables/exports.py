"""Exported networks as tables, and what benchmarks measured of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from involbench.comparison.benchmark_models import ExportCost, ExportsBenchmark
from involbench.reporting.plots.costs import Time, plot_times
from involbench.reporting.tables import NumbersTable
from involbench.reporting.tables.benchmarks import made_with, milliseconds, short
from involbench.reporting.tables.comparison import markdown_table
from involbench.reporting.units import size
from involbench.results.benchmarks import ExportRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPORTS_VERSION = 1
"""Of the JSON document."""
_RECORD_COLUMNS = ("format", "size", "differs by", "same class %", "accuracy %", "Keras' %")


def exports_view(exports: Sequence[ExportRecord]) -> Iterator[RenderableType]:
    """A row a format, and what the columns are."""
    yield NumbersTable(_RECORD_COLUMNS, [_record_row(export) for export in exports])
    yield Text(
        f"\nHeld against Keras on {exports[0].test_images} test images, each in its own runtime: "
        "the largest difference of a probability, how often the class is the same, and how often "
        "it is the true one."
    )


def _record_row(export: ExportRecord) -> tuple[str, ...]:
    return (
        export.format,
        size(export.size_bytes),
        f"{export.largest_difference:.1e}",
        *(
            f"{100 * share:.2f}"
            for share in (export.agreement, export.accuracy, export.keras_accuracy)
        ),
    )


_COLUMNS = ("model", "median, ms", "p95", "times the baseline", "size", "accuracy %")

Titled = tuple[str, list[tuple[str, ...]]]


def exports_benchmark_view(benchmark: ExportsBenchmark) -> Iterator[RenderableType]:
    """What `bench export` prints: a table a format and number of threads, and notes."""
    for title, rows in _tables(benchmark):
        yield Text(title, style="bold")
        yield NumbersTable(_COLUMNS, rows)
        yield Text()
    yield from map(Text, _notes(benchmark))


def exports_markdown(benchmark: ExportsBenchmark) -> str:
    """The same as Markdown."""
    tables = (
        f"**{title}**\n\n{markdown_table(_COLUMNS, rows)}" for title, rows in _tables(benchmark)
    )
    notes = "\n".join(f"- {line}" for line in _notes(benchmark))
    return "\n\n".join([*tables, notes]) + "\n"


def exports_rows(benchmark: ExportsBenchmark) -> list[tuple[str | float, ...]]:
    """A heading, and a row a network, format and number of threads, in seconds and bytes."""
    name = ("model", "format", "threads")
    times = ("median", "lower_quartile", "upper_quartile", "p95")
    held = ("ratio", "ratio_low", "ratio_high", "size_bytes", "accuracy", "keras_accuracy")
    rows: list[tuple[str | float, ...]] = [(*name, *times, *held)]
    for cost in benchmark.exports:
        took = cost.latency
        middle = (took.median, took.lower_quartile, took.upper_quartile, took.p95)
        known = (cost.size_bytes, cost.accuracy, cost.keras_accuracy)
        which = (cost.network, cost.format, cost.threads)
        rows.append((*which, *middle, took.ratio, *took.ratio_interval, *known))
    return rows


def exports_figure(benchmark: ExportsBenchmark) -> "Figure":
    """A row a format and number of threads."""
    times: dict[str, dict[str, Time]] = {}
    for cost in benchmark.exports:
        took = cost.latency
        time = Time(took.median, took.lower_quartile, took.upper_quartile)
        times.setdefault(_title(cost.format, cost.threads), {})[cost.network] = time
    return plot_times(times)


def _title(form: str, threads: int) -> str:
    return f"{form}, {threads} thread{'' if threads == 1 else 's'}"


def _tables(benchmark: ExportsBenchmark) -> Iterator[Titled]:
    kinds = dict.fromkeys((cost.threads, cost.format) for cost in benchmark.exports)
    for threads, form in kinds:
        costs = [c for c in benchmark.exports if (c.threads, c.format) == (threads, form)]
        yield _title(form, threads), [_row(cost, costs[0].network) for cost in costs]


def _row(cost: ExportCost, baseline: str) -> tuple[str, ...]:
    took = cost.latency
    low, high = map(short, took.ratio_interval)
    return (
        cost.network,
        milliseconds(took.median),
        milliseconds(took.p95),
        "baseline" if cost.network == baseline else f"{short(took.ratio)} [{low}, {high}]",
        size(round(cost.size_bytes)),
        f"{100 * cost.accuracy:.2f}",
    )


def _notes(benchmark: ExportsBenchmark) -> Iterator[str]:
    processes = "" if benchmark.processes == 1 else f" in each of {benchmark.processes} processes"
    yield (
        f"One image on the CPU, {benchmark.repeats} repeats in alternation{processes}, each after "
        "an untimed call. Times the baseline: median of the ratios within a repeat, with its 95% "
        f"interval. Accuracy: on {benchmark.test_images} test images, as exported."
    )
    yield from (f"Left out: {failure}" for failure in benchmark.failures)
    yield made_with(benchmark.machine)
