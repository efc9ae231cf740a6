"""`involbench claims`: test published claims against your results."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import ChosenSettings, Results, experiment_argument
from involbench.cli._output import print_json, print_page, warn


def claims(
    experiments: Annotated[
        list[str] | None,
        experiment_argument(
            "Names or folders of experiments; default: all, the published ones too."
        ),
    ] = None,
    results: Results = Path("results"),
    settings: ChosenSettings = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every number, as one JSON document.")
    ] = False,
) -> None:
    """Test the claims of specs against the results.

    A claim holds here, does not hold here, or is undecided if the results don't suffice. The
    verdict is for the setting that is named beside it, and uses the runs with the settings in
    spec.yaml. Other groups of runs are listed but not counted.
    """
    from involbench.api.compare import grouped
    from involbench.cli._runs import find_experiments
    from involbench.comparison.metrics import NO_METRICS
    from involbench.reporting.tables.cells import warnings_of
    from involbench.reporting.tables.claims import claims_document, claims_view
    from involbench.results.tree import read_spec_summary

    listed = find_experiments(results, experiments or [], published=True)
    kept, compared, refused = grouped(listed, settings or [], None, NO_METRICS)
    warn(*refused)
    found = {}
    for (tree, name), groups in zip(kept, compared, strict=True):
        if groups[0].claims:
            found[name] = groups
        if groups[0].claims or read_spec_summary(tree.folder(name)).faults:
            warn(*(f"{name}: {warning}" for warning in warnings_of(groups)))
    if as_json:
        print_json(claims_document(found))
    else:
        print_page(*claims_view(found))
