"""`involbench validate`: check specs without running anything."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import Overrides, Plugins, parse_path
from involbench.cli._output import echo, warn
from involbench.cli._worker import progress_line, stoppable
from involbench.errors import SpecError

if TYPE_CHECKING:
    from involbench.spec.load import LoadedSpec


def validate(
    specs: Annotated[
        list[Path],
        typer.Argument(metavar="SPEC", parser=parse_path, help="The experiments' YAML files."),
    ],
    overrides: Overrides = None,
    plugins: Plugins = None,
    build: Annotated[
        bool,
        typer.Option("--build", help="Build each model and optimizer too, which starts Keras."),
    ] = False,
) -> None:
    """Check experiment files, and count their trials."""
    from involbench.api.run import claim_warnings, power_line
    from involbench.spec.load import load_spec

    problems = []
    with _builder() if build else nullcontext(lambda loaded: None) as check:
        for path in specs:
            try:
                loaded = load_spec(path, overrides or [])
                size = _size(loaded)
                check(loaded)
            except SpecError as error:
                problems.append(str(error))
            else:
                echo(f"{path}: ok, {size}")
                if power := power_line(loaded):
                    echo(power, err=True)
                warn(*claim_warnings(loaded.spec.claims))
    if problems:
        # What was set on the command line is wrong once, however many files it is set in.
        raise SpecError("\n".join(dict.fromkeys(problems)))


@contextmanager
def _builder() -> "Iterator[Callable[[LoadedSpec], None]]":
    """A function that builds the models of a spec in a worker on the CPU."""
    from involbench.runner.plan import check_builds
    from involbench.workers.environment import WorkerResources
    from involbench.workers.local import start_worker
    from involbench.workers.protocol import Notice

    with (
        stoppable("interrupted"),
        progress_line() as show,
        start_worker(WorkerResources("cpu")) as worker,
    ):
        show(Notice("starting Keras and building each model once"))
        yield lambda loaded: check_builds(loaded, worker, show)


def _size(loaded: "LoadedSpec") -> str:
    from involbench.reporting.units import counted
    from involbench.spec.load import expand, expand_tuning
    from involbench.spec.sweep import sweep_points

    spec, trials = loaded.spec, len(expand(loaded))
    parts = [counted(len(spec.models), "model"), counted(len(spec.seeds), "seed")]
    if spec.sweep:
        parts.append(counted(len(sweep_points(spec.sweep)), "point") + " of the sweep")
    size = f"{counted(trials, 'trial')} ({', '.join(parts)})"
    if grid := spec.tune.grid:
        first = counted(len(expand_tuning(loaded, grid)), "trial")
        size += f", after {first} of tune ({counted(len(sweep_points(grid)), 'candidate')}, "
        size += f"{counted(len(spec.tune.seeds), 'seed')})"
    return size
