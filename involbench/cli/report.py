"""`involbench report`: one experiment as an HTML page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import (
    ChosenSettings,
    Paired,
    Plugins,
    ResultsFolders,
    experiment_argument,
    output_option,
)
from involbench.cli._output import echo, warn, write_file
from involbench.errors import ResultsError, UsageError

if TYPE_CHECKING:
    from involbench.reporting.html.data import ReportSection
    from involbench.results.paths import AnyPath


def report(
    experiments: Annotated[
        list[str] | None,
        experiment_argument("Names or folders; may be left out if there is only one."),
    ] = None,
    results: ResultsFolders = None,
    settings: ChosenSettings = None,
    paired: Paired = False,
    plugins: Plugins = None,
    output: Annotated[
        Path | None,
        output_option("Where to write it; default: report.html in the experiment's folder."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Write each chart as a file too: png, svg or pdf, beside the report.",
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write an experiment's report: one HTML file.

    It has verdicts, a table, charts and every run. Several experiments on the same data get one
    report. The page needs no network and no other file, and can be read without JavaScript. Charts
    of histories and predictions show the runs that have them. Missing files are named.
    """
    import webbrowser

    from involbench.cli._runs import find_experiments
    from involbench.cli._worker import status_line
    from involbench.comparison.differences import Rule
    from involbench.reporting.html import draw, report_page
    from involbench.reporting.html.data import gather, gather_joined
    from involbench.reporting.plots import FORMATS
    from involbench.results.files import is_folder

    kinds = formats or []
    for kind in kinds:
        if kind not in FORMATS:
            raise UsageError(f"--format {kind}: expected one of {', '.join(FORMATS)}")
    found = find_experiments(results or [Path("results")], experiments or [])
    if len(found) > 1 and not experiments:
        raise UsageError(f"name an experiment: {', '.join(name for _, name in found)}")
    if len(found) > 1 and settings:
        raise UsageError("--set: leave it out for several experiments")
    (tree, name), *others = found
    if others and output is None:
        raise UsageError("name a file for the report of several experiments with --output FILE")
    target: AnyPath = output or tree.folder(name) / "report.html"
    path = target if isinstance(target, Path) else target.path
    rule = Rule(paired)
    with status_line("comparing models"):
        report = gather_joined(found, rule) if others else gather(tree, name, settings or [], rule)
    with status_line("drawing charts"):
        drawing = draw(report)
    if output and is_folder(output):
        raise UsageError(f"{output} is a folder: name a file with --output FILE")
    # A folder's name may hold bytes that are no text.
    write_file(target, report_page(report, drawing, path).encode(errors="replace"))
    for warning in (*report.warnings, *drawing.warnings):
        warn(f"{report.comparison.experiment}: {warning}")
    echo(path)
    if kinds:
        echo(_write_charts(target, drawing.sections, kinds))
    if open_it and not webbrowser.open(path.resolve().as_uri()):
        warn(f"--open: found no browser; open {path} in one")


def _write_charts(path: "AnyPath", drawn: "list[ReportSection]", kinds: list[str]) -> "AnyPath":
    from involbench.reporting.experiment import or_warn
    from involbench.reporting.plots import save_figure
    from involbench.results.files import make_folder

    folder = path.parent / f"{Path(path.name).stem}-charts"
    try:
        make_folder(folder)
        for section in drawn:
            for chart in section.charts:
                with or_warn(f"--format: the chart {chart.title!r}", warn):
                    save_figure(chart.figure, folder / chart.name, kinds)
    except ResultsError as error:
        raise UsageError(f"--format: {error}") from error
    return folder
