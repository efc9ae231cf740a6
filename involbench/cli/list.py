"""`involbench list`: the experiments of a results tree, or the runs of one."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import Experiment, Results
from involbench.cli._output import print_json, print_page, warn


def list_runs(
    experiment: Experiment = None,
    results: Results = Path("results"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Every run of them, as one JSON document.")
    ] = False,
) -> None:
    """List the experiments, or the runs of one.

    The list has status, finished epochs, age and size on disk. A `running` run is in training. An
    `unfinished` run resumes when you run the experiment again.
    """
    from datetime import UTC, datetime

    from involbench.cli._runs import find_experiments
    from involbench.reporting.tables.runs import experiments_table, list_json, runs_table
    from involbench.results.run_index import read_states

    found = {}
    for tree, name in find_experiments(results, [experiment] if experiment else [], published=True):
        for each in [name] if experiment else tree.with_tuning([name]):
            found[each], warnings = read_states(tree, each)
            warn(*warnings)
    now = datetime.now(UTC)
    if as_json:
        print_json(list_json(found))
    elif experiment:
        print_page(runs_table(next(iter(found.values())), now))
    else:
        print_page(experiments_table(found, now))
