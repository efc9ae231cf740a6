"""`involbench params`: the parameter counts of a spec's models, without training or data."""

from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli.options import Overrides, SpecPath

if TYPE_CHECKING:
    from rich.table import Table

    from involbench.results.record import Parameters


def params(
    spec: SpecPath = None,
    overrides: Overrides = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, with every layer.")
    ] = False,
) -> None:
    """Count the parameters of every model of a spec, by what they are for."""
    import json

    from rich.console import Console

    from involbench.execution.client import Worker
    from involbench.execution.messages import CountParameters
    from involbench.execution.shares import Share
    from involbench.reporting.progress import trial_name
    from involbench.spec.expand import expand
    from involbench.spec.load import load_spec
    from involbench.spec.trial import one_seed_each

    trials = one_seed_each(expand(load_spec(spec, overrides or [])))
    names = [trial_name(trial).partition(" seed ")[0] for trial in trials]
    with Worker(Share("cpu")) as worker, Console(stderr=True).status("starting Keras"):
        counts = worker.ask(CountParameters(trials), lambda report: None)
    counted = dict(zip(names, counts, strict=True))
    if as_json:
        typer.echo(json.dumps({name: p.model_dump(mode="json") for name, p in counted.items()}))
    else:
        Console().print(_table(counted))


def _table(counted: "dict[str, Parameters]") -> "Table":
    from rich.table import Table

    from involbench.results.record import ROLES

    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for title in ("trainable", *ROLES, "non-trainable"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, parameters in counted.items():
        by_role = [f"{parameters.by_role[role]:,}" for role in ROLES]
        table.add_row(name, f"{parameters.trainable:,}", *by_role, f"{parameters.non_trainable:,}")
    return table
