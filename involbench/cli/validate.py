"""`involbench validate`: check specs without running anything."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli.options import Overrides, parse_path

if TYPE_CHECKING:
    from involbench.spec.claims import Claim
    from involbench.spec.load import LoadedSpec


def validate(
    specs: Annotated[
        list[Path],
        typer.Argument(metavar="SPEC", parser=parse_path, help="The experiments' YAML files."),
    ],
    overrides: Overrides = None,
) -> None:
    """Check experiment files, and count their trials."""
    from involbench.errors import SpecError
    from involbench.spec.load import load_spec

    problems = []
    for path in specs:
        try:
            loaded = load_spec(path, overrides or [])
        except SpecError as error:
            problems.append(str(error))
        else:
            typer.echo(f"{path}: ok, {_size(loaded)}")
            warn_of_claims(loaded.spec.claims)
    if problems:
        # What was set on the command line is wrong once, however many files it is set in.
        raise SpecError("\n".join(dict.fromkeys(problems)))


def warn_of_claims(claims: "Sequence[Claim]") -> None:
    """Name claims about what no run measures: they would be undecided for good."""
    from involbench.analysis.metrics import METRICS, suggestion

    for index, claim in enumerate(claims):
        if claim.metric.partition("@")[0] not in METRICS:
            why = f"no run measures {claim.metric}; {suggestion(claim.metric)}"
            typer.echo(f"warning: claims[{index}].metric: {why}", err=True)


def _size(loaded: "LoadedSpec") -> str:
    from involbench.spec.expand import expand
    from involbench.spec.sweep import points

    spec, trials = loaded.spec, len(expand(loaded))
    parts = [_counted(len(spec.models), "model"), _counted(len(spec.seeds), "seed")]
    if spec.sweep:
        parts.append(_counted(len(points(spec.sweep)), "point") + " of the sweep")
    return f"{_counted(trials, 'trial')} ({', '.join(parts)})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
