"""Arguments and options that several commands share, and their completion.

Files and folders are left to the shell, which offers them where nothing else fits.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from involbench.errors import UsageError

if TYPE_CHECKING:
    from involbench.results.tree import ResultsTree


def complete_experiment(ctx: typer.Context, incomplete: str) -> list[str]:
    """The experiments of the results folder, the published ones too."""
    tree = _tree(ctx)
    every = tree.with_tuning(tree.all_experiments())
    return [name for name in every if name.startswith(incomplete)]


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """The runs, as `EXPERIMENT/ID`; also as `ID` where the user has begun so."""
    tree = _tree(ctx)
    runs = [
        (f"{name}/{folder.name}", folder.name)
        for name in tree.with_tuning(tree.all_experiments())
        for folder in tree.run_folders(name)[0]
    ]
    whole = [run for run, _ in runs if run.startswith(incomplete)]
    bare = dict.fromkeys(identity for _, identity in runs if identity.startswith(incomplete))
    return whole or list(bare)


def complete_experiment_or_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Both, for commands that take either."""
    return [*complete_experiment(ctx, incomplete), *complete_run(ctx, incomplete)]


def _tree(ctx: typer.Context) -> "ResultsTree":
    """The tree of the --results folders given so far on the command line."""
    from involbench.results.tree import ResultsTree

    given = ctx.params.get("results") or "results"
    roots = given if isinstance(given, list | tuple) else [given]
    return ResultsTree(*map(Path, roots))


def parse_path(text: str) -> Path:
    """The parser of every path: no shell expands the `~` of `--results=~/r`."""
    from involbench.results.files import user_path

    return user_path(text)


def parse_name_or_path(text: str) -> str:
    """The parser of what may also be a name or a URL, which stay as they are."""
    return str(parse_path(text)) if text.startswith("~") else text


def complete_shipped(incomplete: str) -> list[str]:
    """The experiments that come with involbench."""
    from involbench.spec.load import shipped_experiments

    return [name for name in shipped_experiments() if name.startswith(incomplete)]


SpecPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="SPEC",
        parser=parse_path,
        autocompletion=complete_shipped,
        help="A YAML file, or an experiment that comes with involbench; default: digits.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-S", "--set", metavar="KEY=VALUE", help="Override a key of the spec."),
]


def import_plugins(files: Iterable[Path]) -> None:
    """Import Python files of the user's; what they print goes to stderr."""
    from involbench.plugins import load_plugin

    with _without_libraries(2) as stderr, redirect_stdout(stderr), redirect_stderr(stderr):
        for file in files:
            load_plugin(file)


@contextmanager
def _without_libraries(descriptor: int) -> Iterator[TextIO]:
    """A descriptor as a file; meanwhile what C libraries write to it, as they start, is dropped."""
    with Path(os.devnull).open("w") as nowhere, os.fdopen(os.dup(descriptor), "w") as kept:
        os.dup2(nowhere.fileno(), descriptor)
        try:
            yield kept
        finally:
            os.dup2(kept.fileno(), descriptor)


def _plugins_named(ctx: typer.Context, files: list[Path] | None) -> list[Path] | None:
    """The callback of --plugin; to complete a line nothing is imported."""
    if files and not ctx.resilient_parsing:
        import_plugins(files)
    return files


Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        parser=parse_path,
        callback=_plugins_named,
        help="Import this Python file, which runs it, and use what it registers; may be given "
        "repeatedly.",
    ),
]
"""Nothing reads the value of this option: what is imported is known everywhere."""

ChosenSettings = Annotated[
    list[str] | None,
    typer.Option(
        "-S", "--set", metavar="KEY=VALUE", help="Only runs with this setting; also backend=NAME."
    ),
]


def _check_device(device: str) -> str:
    from involbench.workers.environment import is_device

    if not is_device(device):
        raise typer.BadParameter(
            f"{device!r} is none of auto, cpu, gpu, gpu:INDEX", param_hint="--device"
        )
    return device


Device = Annotated[
    str,
    typer.Option(
        callback=_check_device, help="auto, cpu, gpu or gpu:INDEX. auto: a GPU if there is one."
    ),
]
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        parser=parse_name_or_path,
        autocompletion=complete_run,
        help="Run id or its beginning, EXPERIMENT/ID, or the path of the run folder.",
    ),
]


def experiment_argument(what: str) -> Any:
    """An argument that names one experiment, or several."""
    return typer.Argument(
        metavar="EXPERIMENT",
        parser=parse_name_or_path,
        autocompletion=complete_experiment,
        help=what,
    )


def output_option(what: str, metavar: str = "FILE") -> Any:
    """`-o PATH`, `--output PATH`."""
    return typer.Option("-o", "--output", metavar=metavar, parser=parse_path, help=what)


Experiment = Annotated[
    str | None, experiment_argument("Name or folder of an experiment; default: all of them.")
]
Experiments = Annotated[
    list[str] | None,
    experiment_argument("Names or folders of experiments; default: all of them."),
]
Results = Annotated[
    Path, typer.Option(metavar="DIR", parser=parse_path, help="The results folder.")
]
ResultsFolders = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        parser=parse_path,
        help="The results folder; several are read as one: --results A --results B. "
        "[default: results]",
    ),
]
Plot = Annotated[Path | None, output_option("Draw it too: png, svg or pdf.")]
Paired = Annotated[
    bool,
    typer.Option(
        "--paired",
        help="Compare the runs of the same seed by a sign-flip test, not two samples of runs.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Every number, as JSON.")]
MarkdownTables = Annotated[bool, typer.Option("--md", help="Markdown tables.")]


def chosen_format(**options: bool) -> str:
    """The one format whose option is given, or `text`."""
    wanted = [name for name, on in options.items() if on]
    if len(wanted) > 1:
        flags = " and ".join(f"--{name}" for name in wanted)
        raise UsageError(f"{flags} exclude each other: choose one")
    return wanted[0] if wanted else "text"


Sources = Annotated[
    list[Path],
    typer.Argument(metavar="DIR...", parser=parse_path, help="Results folders."),
]
NewFolder = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", parser=parse_path, help="The new folder.")
]
