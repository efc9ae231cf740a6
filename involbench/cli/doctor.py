"""`involbench doctor`: check whether a run would work here, and what to do if not."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import Overrides, Results, parse_path
from involbench.cli._output import print_json, print_page
from involbench.cli._worker import stoppable, waiting


def doctor(
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="SPEC",
            parser=parse_path,
            help="An experiment's YAML file, to check its data too.",
        ),
    ] = None,
    overrides: Overrides = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check packages, devices, folders and data.

    Exit code 1 if a run would fail.
    """
    import platform

    from involbench import __version__
    from involbench.reporting.tables.doctor import doctor_document, doctor_view
    from involbench.runner.doctor import examine
    from involbench.spec.load import load_spec

    loaded = load_spec(spec, overrides or []) if spec or overrides else None
    with stoppable("interrupted"), waiting() as show:
        examination = examine(loaded, results, show)
    if as_json:
        print_json(doctor_document(examination))
    else:
        system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
        heading = f"involbench {__version__}, {system}"
        print_page(*doctor_view(examination, heading))
    if examination.status == "problem":
        raise typer.Exit(1)
