"""`involbench bench export`: time exported networks in their runtimes."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import (
    Json,
    MarkdownTables,
    Plot,
    Results,
    chosen_format,
    complete_experiment_or_run,
    parse_name_or_path,
)
from involbench.cli._output import check_endings, warn, write_figure
from involbench.cli._worker import stoppable, waiting
from involbench.cli.export import formats_named
from involbench.errors import UsageError

if TYPE_CHECKING:
    from involbench.cli._runs import Named
    from involbench.results.benchmarks import Format, MeasuredExports


def export(
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPERIMENT|RUN",
            parser=parse_name_or_path,
            autocompletion=complete_experiment_or_run,
            help="Of an experiment the runs of each seed that all its models have finished. The "
            "first network is the baseline.",
        ),
    ],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="As for `export`; may be given repeatedly. Default: all whose packages are "
            "installed.",
        ),
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Of a runtime; may be given repeatedly. Default: 1, and all cores."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="How often each network is timed.")] = 101,
    test: Annotated[
        int,
        typer.Option("--test", metavar="N", min=1, help="Test images, for the accuracy of each."),
    ] = 256,
    results: Results = Path("results"),
    output: Plot = None,
    as_json: Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV, a row per network and format.")
    ] = False,
    as_md: MarkdownTables = False,
) -> None:
    """Time exported networks, each in its own runtime, on the CPU.

    Networks are timed on one image, in alternation. The results are saved beside the runs, for
    `compare`, `report` and claims, as metrics such as litert_int8_latency, litert_int8_size and
    litert_int8_accuracy.
    """
    from involbench.cli._runs import print_benchmark
    from involbench.comparison.benchmarks import summarize_exports
    from involbench.reporting.tables.benchmarks import (
        exports_benchmark_page,
        exports_figure,
        exports_rows,
    )
    from involbench.runner.benchmarks import bench_exports
    from involbench.workers.environment import CORES

    chosen = chosen_format(json=as_json, csv=as_csv, md=as_md)
    check_endings([output])
    forms = formats_named(formats) if formats else _formats_here()
    numbers = sorted({*threads} if threads else {1, len(CORES)})
    if numbers[-1] > len(CORES):
        raise UsageError(f"--threads {numbers[-1]}: this machine has {len(CORES)} cores")
    blocks = _blocks(named, results)
    count = min(test, *(run.facts.test_size for block in blocks for _, run in block))
    with stoppable("interrupted; nothing is kept"), waiting() as show:
        measured = [bench_exports(block, forms, numbers, repeats, count, show) for block in blocks]
    result = summarize_exports(measured)
    print_benchmark(chosen, result, exports_benchmark_page(result), exports_rows(result))
    written = output is None or write_figure(output, partial(exports_figure, result))
    _keep(blocks, measured, repeats, results)
    if not written:
        raise typer.Exit(1)


def _formats_here() -> "list[Format]":
    """The formats whose packages are installed; a warning names each of the others.

    Raises:
        UsageError: No format has its packages.
    """
    from involbench.results.benchmarks import FORMATS
    from involbench.runner.benchmarks import missing_for

    lacks = {form: missing_for(form) for form in FORMATS}
    here = [form for form, what in lacks.items() if what is None]
    if not here:
        raise UsageError(f"--format {FORMATS[0]} {lacks[FORMATS[0]]}")
    for form, what in lacks.items():
        if what is not None:
            warn(f"--format {form} is left out: it {what}")
    return here


def _blocks(named: list[str], results: Path) -> "list[list[Named]]":
    from involbench.cli._runs import is_experiment, runs_by_seed, trained_run, without_hash

    if len(named) == 1 and is_experiment(results, named[0]):
        return runs_by_seed(results, named[0], needs_weights=True)
    found = dict(trained_run(results, text) for text in named)
    if len({*map(without_hash, found)}) < len(named):
        raise UsageError("two of the runs are of the same model and seed; name one of them")
    return [[(without_hash(run_name), run) for run_name, run in found.items()]]


def _keep(
    blocks: "list[list[Named]]", measured: "list[MeasuredExports]", repeats: int, results: Path
) -> None:
    from involbench.cli._runs import save_benchmark
    from involbench.comparison.metrics import export_metrics

    metrics = [
        {
            run.weights.parent: export_metrics(e for e in made.exports if e.network == name)
            for name, run in block
        }
        for block, made in zip(blocks, measured, strict=True)
    ]
    machines = [made.machine for made in measured]
    example = f"{measured[0].exports[0].record.format}_latency"
    save_benchmark("export", list(zip(machines, metrics, strict=True)), repeats, example, results)
