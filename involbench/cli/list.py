"""`involbench list`: the experiments of a results tree, or the runs of one."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import Experiment, Results
from involbench.cli._output import echo


def list_runs(
    experiment: Experiment = None,
    results: Results = Path("results"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Every run of them, as one JSON document.")
    ] = False,
) -> None:
    """List the experiments, or the runs of one.

    With status, epochs done, age and size on disk. `running` is a run whose lock a process holds;
    `unfinished` goes on when it is run again.
    """
    from datetime import UTC, datetime

    from involbench.cli._output import print_json, rendered, warn
    from involbench.cli._runs import find_experiments
    from involbench.reporting.tables.runs import experiments_view, list_json, runs_view
    from involbench.results.run_index import read_entries

    found = {}
    for tree, name in find_experiments(results, [experiment] if experiment else [], published=True):
        found[name], warnings = read_entries(tree, name)
        for warning in warnings:
            warn(warning)
    now = datetime.now(UTC)
    if as_json:
        print_json(list_json(found))
    elif experiment:
        echo(rendered(runs_view(next(iter(found.values())), now)), nl=False)
    else:
        echo(rendered(experiments_view(found, now)), nl=False)
