"""`involbench params`: the layers, parameters and MACs of models, without training or data."""

from typing import Annotated

import typer

from involbench.cli._options import Overrides, Plugins, SpecPath
from involbench.cli._output import echo, print_json, print_page


def params(
    spec: SpecPath = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, with every layer.")
    ] = False,
) -> None:
    """Count parameters and MACs by layer and by role."""
    from involbench.reporting.tables.cells import label
    from involbench.reporting.tables.runs import params_page
    from involbench.reporting.tables.terminal import SafeConsole
    from involbench.runner.plan import resolve_width_matches
    from involbench.spec.load import expand, load_spec
    from involbench.spec.trial import one_seed_each
    from involbench.workers.environment import WorkerResources
    from involbench.workers.handlers import count_parameters
    from involbench.workers.local import start_worker
    from involbench.workers.protocol import Notice, Report

    def show(report: Report) -> None:
        if isinstance(report, Notice):
            echo(report.text, err=True)

    every = expand(load_spec(spec, overrides or []))
    with (
        start_worker(WorkerResources("cpu")) as worker,
        SafeConsole(stderr=True).status("starting Keras"),
    ):
        trials = one_seed_each(resolve_width_matches(every, worker, show))
        names = [label(trial.model, trial.point) for trial in trials]
        counts = worker.call(count_parameters, lambda report: None, trials)
    counted = dict(zip(names, counts, strict=True))
    if as_json:
        sums = ("macs", "macs_by_role", "not_counted")
        print_json(
            {
                name: {**p.model_dump(mode="json"), **{key: getattr(p, key) for key in sums}}
                for name, p in counted.items()
            }
        )
    else:
        print_page(params_page(counted))
