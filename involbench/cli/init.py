"""`involbench init`: a spec to start from."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    name: Annotated[
        str, typer.Argument(help="The experiment's name: a-z, 0-9, - and _.")
    ] = "experiment",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file; default: NAME.yaml.")
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Overwrite the file if it is there.")
    ] = False,
) -> None:
    """Write a commented experiment file to start from."""
    from involbench.errors import UsageError
    from involbench.results.files import write_atomic
    from involbench.spec.starter import starter_text

    path = output or Path(f"{name}.yaml")
    text = starter_text(name, str(path))
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path}: expected the name of a file in a folder that exists")
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already; --force overwrites it, -o names another file")
    write_atomic(path, text.encode())
    typer.echo(f"{path}: written; next: involbench run {path}")
