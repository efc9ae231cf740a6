"""`involbench params`: what a spec's models consist of and compute, without training or data."""

from typing import Annotated

import typer

from involbench.cli.options import Overrides, SpecPath


def params(
    spec: SpecPath = None,
    overrides: Overrides = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, with every layer.")
    ] = False,
) -> None:
    """Count parameters and MACs of every model of a spec, by layer and by what they are for."""
    import json

    from rich.console import Console

    from involbench.cli.page import rendered
    from involbench.execution.client import Worker
    from involbench.execution.messages import CountParameters
    from involbench.execution.shares import Share
    from involbench.reporting.progress import trial_name
    from involbench.reporting.tables_params import params_view
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
        typer.echo(rendered(params_view(counted)), nl=False)
