"""`involbench export`: convert a trained network for another runtime."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import Json, Plugins, Results, Run, output_option
from involbench.cli._output import echo, print_json, print_page
from involbench.cli._worker import progress_line, stoppable
from involbench.errors import InvolbenchError, UsageError
from involbench.text import suggest

if TYPE_CHECKING:
    from involbench.results.benchmarks import Format

_TEST = 256


def export(
    run: Run,
    formats: Annotated[
        list[str],
        typer.Option(
            "--format",
            help="saved_model, TensorFlow's own; onnx; litert, for phones and boards, or "
            "litert_float16 or litert_int8, which are smaller and less exact. May be given "
            "repeatedly.",
        ),
    ],
    test: Annotated[
        int,
        typer.Option("--test", metavar="N", min=1, help="Test images to compare with Keras."),
    ] = _TEST,
    results: Results = Path("results"),
    plugins: Plugins = None,
    output: Annotated[
        Path | None, output_option("The folder; default: export/ in the folder of the run.", "DIR")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a network for another runtime, and check it there.

    The exported network runs in that runtime and is compared with Keras. Its input is pixels from
    0 to 255, its output a probability for each class.
    """
    from involbench.cli._runs import check_test_images, trained_run
    from involbench.reporting.tables.benchmarks import EXPORTS_VERSION, exports_page
    from involbench.results.paths import ResultsPath
    from involbench.runner.benchmarks import export_formats

    wanted = formats_named(formats)
    name, found = trained_run(results, run)
    check_test_images(found, f"--test {test}", 0 if test == _TEST else test)
    count = min(test, found.facts.test_size)
    folder = ResultsPath(output) if output else found.weights.parent / "export"
    with stoppable("interrupted; what was finished is kept"), progress_line() as show:
        made, failures = [], []
        for record, failure in export_formats(found, wanted, folder, count, show):
            if record is None:
                failures.append(failure)
            else:
                made.append(record)
                echo(f"written: {folder / record.file}", err=True)
    if as_json:
        rows = [record.model_dump(mode="json") for record in made]
        print_json({"schema_version": EXPORTS_VERSION, "run": name, "exports": rows})
    elif made:
        print_page(exports_page(made))
    if failures:
        raise InvolbenchError("\nerror: ".join(failures))


def formats_named(named: list[str]) -> "list[Format]":
    """The named formats. Raises UsageError if one is unknown, or its packages are missing."""
    from involbench.results.benchmarks import FORMATS
    from involbench.runner.benchmarks import missing_for

    for name in named:
        if name not in FORMATS:
            raise UsageError(f"--format {name}: no such format; {suggest(name, FORMATS)}")
    wanted = [form for form in FORMATS if form in named]
    for form in wanted:
        if what := missing_for(form):
            raise UsageError(f"--format {form} {what}")
    return wanted
