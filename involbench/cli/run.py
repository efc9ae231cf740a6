"""`involbench run`: train every trial of a spec that is not finished yet."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from involbench.cli._options import Device, Overrides, Plugins, Results, SpecPath, parse_path
from involbench.cli._worker import stoppable


def run(
    spec: SpecPath = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many seeds; short for -S seeds=N.")
    ] = None,
    results: Results = Path("results"),
    device: Device = "auto",
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j", "--jobs", metavar="N", min=1, help="Trials at a time; default: 1, or one a GPU."
        ),
    ] = None,
    gpus: Annotated[
        str | None, typer.Option(metavar="I,J,...", help="GPUs to divide among the jobs.")
    ] = None,
    executor: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where trials run: on this machine, or on a Ray cluster."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The head of the Ray cluster; default: RAY_ADDRESS, or Ray on this machine only.",
        ),
    ] = None,
    send_back: Annotated[
        bool,
        typer.Option("--send-back", help="Nodes send results here; they need no shared folder."),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Train only part I of N, from 1; all parts cost about the same."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("-n", "--dry-run", help="Check everything, list the trials, train nothing."),
    ] = False,
    no_tune: Annotated[
        bool,
        typer.Option("--no-tune", help="Train with the values of the spec; short for -S tune={}."),
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Repeat trials that are finished.")
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "-k/",
            "--keep-going/--fail-fast",
            show_default=False,
            help="After a failed trial: run the others (the default), or stop.",
        ),
    ] = True,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=parse_path,
            help="Write every epoch for TensorBoard too, below DIR.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Print library output and tracebacks.")
    ] = False,
) -> None:
    """Train the models of a spec, and compare them.

    Finished trials are skipped. Interrupted trials resume from their last checkpoint.
    """
    from involbench.api.run import RunOptions, claim_warnings
    from involbench.cli._output import warn
    from involbench.cli._run import print_plan, receivers_of, run_and_print
    from involbench.reporting.console import reporter
    from involbench.spec.load import load_spec

    if executor == "local" and (address or send_back):
        flag = "--address" if address else "--send-back"
        raise typer.BadParameter("needs --executor ray", param_hint=flag)
    if executor == "ray" and gpus:
        raise typer.BadParameter("Ray assigns GPUs; see resources.gpus", param_hint="--gpus")
    options = RunOptions(
        results,
        device,
        jobs,
        _gpu_indices(gpus),
        executor,
        address,
        send_back,
        _part(shard),
        force,
        not keep_going,
    )
    short = [f"seeds={seeds}"] * (seeds is not None) + ["tune={}"] * no_tune
    loaded = load_spec(spec, [*(overrides or []), *short])
    with stoppable("interrupted; finished trials are kept; run again to resume"):
        warn(*claim_warnings(loaded.spec.claims))
        receivers = receivers_of(tensorboard, verbose)
        screen = reporter(loaded.spec.baseline, quiet, verbose)
        if dry_run:
            print_plan(loaded, options, screen)
        elif run_and_print(loaded, options, screen, receivers):
            raise typer.Exit(1)


def _part(text: str | None) -> tuple[int, int] | None:
    """`"2/4"` -> (2, 4): which part, counted from 1, of how many."""
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise typer.BadParameter(
            f"{text!r} is not a part such as 1/4, 2/4, 3/4 or 4/4", param_hint="--shard"
        )
    return int(number), int(count)


def _gpu_indices(text: str | None) -> tuple[int, ...]:
    parts = text.split(",") if text is not None else []
    if not all(part.strip().isdigit() for part in parts):
        raise typer.BadParameter(
            f"{text!r} is not a list of indices such as 0,1", param_hint="--gpus"
        )
    return tuple(int(part) for part in parts)
