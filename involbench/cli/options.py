"""Arguments and options that several commands share, so that they are the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

SpecPath = Annotated[
    Path | None, typer.Argument(help="The experiment's YAML file; default: the built-in digits.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-S", "--set", metavar="KEY=VALUE", help="Override a key of the spec."),
]
Results = Annotated[Path, typer.Option(metavar="DIR", help="The results folder.")]
