"""`involbench claims`: what others say, and what the results say of it."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli.completion import complete_experiment
from involbench.cli.options import Results, parse_name_or_path


def claims(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EXPERIMENT",
            parser=parse_name_or_path,
            autocompletion=complete_experiment,
            help="Names or folders of experiments; default: all, the published ones too.",
        ),
    ] = None,
    results: Results = Path("results"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Every number, as one JSON document.")
    ] = False,
) -> None:
    """List what specs claim: source, verdict and numbers.

    A claim is `supported`, `refuted`, or, where the results cannot tell, `undecided`.
    """
    from involbench.analysis.compare import compare_experiment
    from involbench.analysis.measure import Wanted
    from involbench.cli.experiments import find_experiments
    from involbench.cli.page import print_json, rendered, warn
    from involbench.reporting.claims import claims_rows, claims_view
    from involbench.results.outline import read_outline

    found = {}
    for tree, name in find_experiments(results, experiments or [], published=True):
        comparison = compare_experiment(tree, name, wanted=Wanted(frozenset(), frozenset()))
        if comparison.claims:
            found[name] = comparison.claims
        if comparison.claims or read_outline(tree.folder(name)).faults:
            for warning in comparison.warnings:
                warn(f"{name}: {warning}")
    if as_json:
        print_json({"schema_version": 1, "claims": [*claims_rows(found)]})
    else:
        typer.echo(rendered(claims_view(found)), nl=False)
