"""`involbench init`: a spec to start from."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import output_option
from involbench.cli._output import echo
from involbench.errors import UsageError


def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The experiment's name: a-z, 0-9, - and _.")
    ] = "experiment",
    output: Annotated[Path | None, output_option("The file; default: NAME.yaml.")] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Overwrite the file if it is there.")
    ] = False,
    slurm: Annotated[
        bool,
        typer.Option("--slurm", help="Write a Slurm array script beside it, NAME.sbatch, too."),
    ] = False,
    shards: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Jobs of the array.")
    ] = 4,
) -> None:
    """Write a commented experiment file to start from.

    With `--slurm` a script that runs it on a cluster too; then an experiment file that is there
    already stays as it is.
    """
    from involbench.spec.starter import slurm_text, starter_text

    path = output or Path(f"{name}.yaml")
    if not (slurm and path.is_file()):
        _write(path, starter_text(name, str(path)), force)
        echo(f"{path}: written; next: involbench run {path}")
    if slurm:
        script = path.with_suffix(".sbatch")
        _write(script, slurm_text(name, str(script), str(path), shards), force)
        echo(f"{script}: written; look it over, then: sbatch {script}")


def _write(path: Path, text: str, force: bool) -> None:
    from involbench.results.files import write_atomic

    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path}: expected the name of a file in a folder that exists")
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already; --force overwrites it, -o names another file")
    write_atomic(path, text.encode())
