"""`involbench show`: one run in full."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import Results, Run
from involbench.cli._output import print_json, print_page, warn
from involbench.errors import ResultsError


def show(
    run: Run,
    results: Results = Path("results"),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, with the whole record.")
    ] = False,
) -> None:
    """Show one run: how it ended, metrics, log and provenance."""
    from datetime import UTC, datetime

    from involbench.api.find import find_run
    from involbench.reporting.tables.runs import run_document, run_view
    from involbench.results.run_index import read_entry
    from involbench.results.tree import read_parameters

    experiment, folder = find_run(results, run)
    entry = read_entry(experiment, folder)
    parameters = None
    try:
        parameters = read_parameters(entry.path)
    except ResultsError as error:
        if entry.status == "finished":
            warn(str(error))
    if as_json:
        print_json(run_document(entry, parameters))
    else:
        print_page(*run_view(entry, parameters, datetime.now(UTC)))
