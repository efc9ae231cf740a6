"""`involbench bench`: time and memory of networks, exports, the operator and a training step."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import (
    Device,
    Json,
    MarkdownTables,
    Plot,
    Plugins,
    Results,
    chosen_format,
    complete_experiment_or_run,
    parse_name_or_path,
)
from involbench.cli._output import check_endings, print_json, print_page, warn, write_figure
from involbench.cli._worker import progress_line, stoppable
from involbench.cli.bench_model import model
from involbench.cli.export import formats_named
from involbench.errors import UsageError

if TYPE_CHECKING:
    from involbench.cli._runs import Named
    from involbench.results.benchmarks import Format, MeasuredExports, OperatorShape

bench = typer.Typer(
    name="bench",
    help="Time networks, the operator and a training step.",
    no_args_is_help=True,
)

_SHAPES = (
    "256,32,32,3,3,1",
    "64,32,32,64,3,4",
    "32,32,32,64,7,4",
    "16,16,16,256,7,16",
    "8,56,56,64,7,4",
)
_AXES = "B,H,W,C,K,G"

bench.command()(model)


@bench.command()
def export(
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPERIMENT|RUN",
            parser=parse_name_or_path,
            autocompletion=complete_experiment_or_run,
            help="Runs, or an experiment: the runs of each seed that all its models have finished. "
            "The first network is the baseline.",
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
            min=1, help="Threads of a runtime; may be given repeatedly. Default: 1, and all cores."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="How often each network is timed.")] = 101,
    test: Annotated[
        int,
        typer.Option("--test", metavar="N", min=1, help="Test images, for the accuracy of each."),
    ] = 256,
    results: Results = Path("results"),
    plugins: Plugins = None,
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
    with stoppable("interrupted; nothing is kept"), progress_line() as show:
        measured = [bench_exports(block, forms, numbers, repeats, count, show) for block in blocks]
    result = summarize_exports(measured)
    print_benchmark(chosen, result, exports_benchmark_page(result), exports_rows(result))
    written = output is None or write_figure(output, partial(exports_figure, result))
    _save(blocks, measured, repeats, results)
    if not written:
        raise typer.Exit(1)


def _formats_here() -> "list[Format]":
    """The formats whose packages are installed; a warning names each of the others."""
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


def _save(
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


@bench.command()
def operator(
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            metavar=_AXES,
            help="Batch, height, width, channels, kernel size, groups; may be given repeatedly. "
            f"Default: {' '.join(_SHAPES)}",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="How often each form is timed.")] = 11,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Time our operator against patches and against convolutions.

    All have the same shape. The tables have time, peak memory and first call, forward and with
    gradients, on the Keras backend in use.
    """
    from involbench.comparison.benchmarks import summarize_operator
    from involbench.reporting.tables.benchmarks import operator_page
    from involbench.runner.benchmarks import bench_operator

    wanted = [_shape(text) for text in dict.fromkeys(shapes or _SHAPES)]
    with stoppable("interrupted; nothing is kept"), progress_line() as show:
        result = summarize_operator(bench_operator(wanted, repeats, device, show))
    print_json(result) if as_json else print_page(operator_page(result))


@bench.command()
def step(
    repeats: Annotated[
        int, typer.Option(min=2, help="Steps of each network after its first.")
    ] = 49,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Time a training step: the published layer against ours.

    Both start from the same weights, and their losses are compared step by step.
    """
    from involbench.comparison.benchmarks import summarize_steps
    from involbench.reporting.tables.benchmarks import step_page
    from involbench.runner.benchmarks import bench_step

    with stoppable("interrupted; nothing is kept"), progress_line() as show:
        result = summarize_steps(bench_step(repeats, device, show))
    print_json(result) if as_json else print_page(step_page(result))


def _shape(text: str) -> "OperatorShape":
    """Read one shape."""
    from involbench.results.benchmarks import OperatorShape

    fields = text.split(",")
    if len(fields) != 6 or not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", field) for field in fields):
        raise UsageError(
            f"--shape {text}: expected six whole numbers {_AXES}, such as {_SHAPES[0]}"
        )
    names = OperatorShape.model_fields
    shape = OperatorShape(**{name: int(f) for name, f in zip(names, fields, strict=True)})
    problem = _problem(shape)
    if problem:
        raise UsageError(f"--shape {text}: {problem}")
    return shape


def _problem(shape: "OperatorShape") -> str | None:
    """Why no involution has this shape; None if it is valid."""
    zeros = [name for name, value in shape.model_dump().items() if value < 1]
    if zeros:
        return f"{' and '.join(zeros)} must be at least 1"
    size = shape.kernel_size
    if size % 2 == 0:
        return f"the kernel size must be odd; use {size - 1} or {size + 1}, not {size}"
    if shape.channels % shape.groups:
        return f"the groups must divide the {shape.channels} channels; {shape.groups} do not"
    return None
