"""`involbench compare`: how the models of each experiment differ."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli.options import Results


def compare(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT...]", help="Names or folders of experiments; default: all of them."
        ),
    ] = None,
    results: Results = Path("results"),
    baseline: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Compare with this model; default: the spec's."),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--metric", metavar="NAME", help="What to compare. [default: test_accuracy]"
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            metavar="ACCURACY",
            help="Validation accuracy, as a fraction, of epochs_to_target and seconds_to_target.",
        ),
    ] = None,
    sort_by: Annotated[
        str | None, typer.Option(metavar="METRIC", help="The best first; default: as in the spec.")
    ] = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Only rows and columns in which models differ.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Another results folder: each model then and now."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every number, as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A line a model and metric.")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="A Markdown table.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead."),
    ] = None,
) -> None:
    """Compare the models of each experiment, paired by seed, and say how sure the answer is.

    A run whose accuracy never left chance is counted and named. Fewer than six seeds give an
    estimate but no verdict.
    """
    from involbench.cli.comparing import Asked, compared, document, write
    from involbench.cli.experiments import find_experiments

    asked = Asked(
        results,
        baseline,
        tuple(dict.fromkeys(metrics or ["test_accuracy"])),
        target,
        sort_by,
        only_changed,
        against,
        _format(as_json, as_csv, as_md),
        for_screen=output is None,
    )
    found = find_experiments(results, experiments or [])
    text = document(asked, found, compared(asked, found))
    if output is not None:
        write(output, text)
    else:
        typer.echo(text, nl=False)


def _format(as_json: bool, as_csv: bool, as_md: bool) -> str:
    from involbench.errors import UsageError

    wanted = [name for name, on in (("json", as_json), ("csv", as_csv), ("md", as_md)) if on]
    if len(wanted) > 1:
        flags = " and ".join(f"--{name}" for name in wanted)
        raise UsageError(f"{flags} exclude each other: choose one")
    return wanted[0] if wanted else "text"
