"""`involbench compare`: how the models of each experiment differ."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import (
    ChosenSettings,
    Experiments,
    Json,
    Paired,
    Plugins,
    ResultsFolders,
    chosen_format,
    output_option,
    parse_path,
)
from involbench.cli._output import echo, write_output
from involbench.errors import UsageError


def compare(
    experiments: Experiments = None,
    results: ResultsFolders = None,
    settings: ChosenSettings = None,
    plugins: Plugins = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Compare with this model; default: the baseline of the spec."
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--metric", metavar="NAME", help="What to compare. [default: test_accuracy]"
        ),
    ] = None,
    sort_by: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="Sort by this metric, best first; default: the order of the spec.",
        ),
    ] = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Only rows and columns in which models differ.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=parse_path,
            help="Compare each model with its runs in this results folder.",
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GATE",
            help="Exit with 3 if this holds: 'inn.test_accuracy < 0.4', "
            "'inn.test_loss > cnn.test_loss', 'inn.test_accuracy drops 0.02 from EXPERIMENT'.",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Also fail undecided gates.")] = False,
    join: Annotated[
        bool,
        typer.Option("--join", help="Compare experiments on the same data in one table."),
    ] = False,
    paired: Paired = False,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="FRACTION",
            help="A difference in test accuracy that doesn't matter: 0.02 is 2 points; default: "
            "that of the spec.",
        ),
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, a row per model and metric.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="A Markdown table.")] = False,
    output: Annotated[Path | None, output_option("Write to this file instead.")] = None,
) -> None:
    """Compare models: differences, intervals and p-values.

    Two models are compared as two samples of runs. Runs whose accuracy never left chance are
    compared as a share, the others by their accuracy. Runs with different settings are compared in
    groups, the largest first; --set chooses one. Gates are checked for the settings that spec.yaml
    states.
    """
    from involbench.api.compare import check_margin
    from involbench.cli._compare import (
        Options,
        compared,
        document,
        end_on_failed_gate,
        stated,
    )
    from involbench.cli._runs import find_experiments
    from involbench.comparison.differences import Rule
    from involbench.comparison.gates import parse_gate

    check_margin(margin, "--margin ")
    if join and (against or settings):
        raise UsageError(f"--join: leave out {'--against' if against else '--set'}")
    if strict and not fail_if:
        raise UsageError("--strict needs --fail-if")
    gates = [parse_gate(text) for text in fail_if or []]
    folders = tuple(results or [Path("results")])
    options = Options(
        folders,
        baseline,
        tuple(dict.fromkeys(metrics or ["test_accuracy"])),
        sort_by,
        only_changed,
        against,
        chosen_format(json=as_json, csv=as_csv, md=as_md),
        for_screen=output is None,
        gated=tuple(gate.quantity.metric for gate in gates),
        settings=tuple(settings or []),
        rule=Rule(paired, margin),
        join=join,
    )
    found = find_experiments(folders, experiments or [])
    chosen, comparisons = compared(options, found)
    text = document(options, chosen, comparisons)
    if output is not None:
        write_output(output, text.encode())
    else:
        echo(text, nl=False)
    if gates:
        end_on_failed_gate(gates, stated(comparisons, "--fail-if"), options, strict)
