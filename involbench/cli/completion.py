"""What the shell offers for experiments and runs when the user presses Tab.

Files and folders are left to the shell, which offers them where nothing else fits.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from involbench.results.reading import ResultsTree


def complete_experiment(ctx: typer.Context, incomplete: str) -> list[str]:
    """The experiments of the results folder, the published ones too."""
    return [name for name in _experiments(_tree(ctx)) if name.startswith(incomplete)]


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """The runs, as `EXPERIMENT/ID`; also as `ID` where the user has begun so."""
    tree = _tree(ctx)
    runs = [
        (f"{name}/{folder.name}", folder.name)
        for name in _experiments(tree)
        for folder in tree.run_folders(name)
    ]
    whole = [run for run, _ in runs if run.startswith(incomplete)]
    bare = dict.fromkeys(identity for _, identity in runs if identity.startswith(incomplete))
    return whole or list(bare)


def complete_experiment_or_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Both, for commands that take either."""
    return [*complete_experiment(ctx, incomplete), *complete_run(ctx, incomplete)]


def _experiments(tree: "ResultsTree") -> list[str]:
    return [*tree.experiments(), *tree.references()]


def _tree(ctx: typer.Context) -> "ResultsTree":
    """Of the folders that --results has named so far on the line."""
    from involbench.results.reading import ResultsTree

    given = ctx.params.get("results") or "results"
    roots = given if isinstance(given, list | tuple) else [given]
    return ResultsTree(*map(Path, roots))
