"""`involbench params`: the layers, parameters and MACs of models, without training or data."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from involbench.cli._options import Overrides, SpecPath
from involbench.cli._output import echo, print_json, print_page

if TYPE_CHECKING:
    from involbench.results.record import Parameters
    from involbench.workers.protocol import Report


def params(
    spec: SpecPath = None,
    overrides: Overrides = None,
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

    every = expand(load_spec(spec, overrides or []))
    with (
        start_worker(WorkerResources("cpu")) as worker,
        SafeConsole(stderr=True).status("starting Keras"),
    ):
        trials = one_seed_each(resolve_width_matches(every, worker, _say))
        names = [label(trial.model, trial.point) for trial in trials]
        counts = worker.call(count_parameters, lambda report: None, trials)
    counted = dict(zip(names, counts, strict=True))
    if as_json:
        print_json({name: _document(parameters) for name, parameters in counted.items()})
    else:
        print_page(params_page(counted))


def _document(parameters: "Parameters") -> dict[str, Any]:
    sums = {"macs": parameters.macs, "macs_by_role": parameters.macs_by_role}
    return {**parameters.model_dump(mode="json"), **sums, "not_counted": parameters.not_counted}


def _say(report: "Report") -> None:
    from involbench.workers.protocol import Notice

    if isinstance(report, Notice):
        echo(report.text, err=True)
