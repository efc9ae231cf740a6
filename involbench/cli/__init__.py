"""The command line: one file a command. The only place that prints, asks or exits."""

import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import typer
from typer.main import get_command

from involbench import __version__
from involbench.cli._output import echo, lost_output, make_patient
from involbench.errors import InvolbenchError

_UsageError: Any = typer.BadParameter.__base__
"""The base of all that typer finds wrong with arguments; typer itself does not export it."""

app = typer.Typer(
    name="involbench",
    help="Compare involution with convolution: train, measure, and test the differences.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"involbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


@cache
def _register_commands() -> None:
    from involbench.cli.bench import bench
    from involbench.cli.check_operator import check_operator
    from involbench.cli.claims import claims
    from involbench.cli.clean import clean
    from involbench.cli.compare import compare
    from involbench.cli.demo import demo
    from involbench.cli.doctor import doctor
    from involbench.cli.export import export
    from involbench.cli.export_results import export_results
    from involbench.cli.init import init
    from involbench.cli.kernels import kernels
    from involbench.cli.list import list_runs
    from involbench.cli.merge import merge
    from involbench.cli.params import params
    from involbench.cli.predict import predict
    from involbench.cli.publish import publish
    from involbench.cli.report import report
    from involbench.cli.run import run
    from involbench.cli.schema import schema
    from involbench.cli.show import show
    from involbench.cli.validate import validate

    command: Callable[..., None]
    for command in (run, compare, report, publish, predict, kernels, demo, export, export_results):
        app.command()(command)
    app.command("list")(list_runs)
    app.command("check-operator")(check_operator)
    for other in (claims, show, merge, clean, params, validate, schema, init, doctor):
        app.command()(other)
    app.add_typer(bench)


@cache
def _command() -> Callable[..., Any]:
    """What `app` is each time it is called, made of every signature anew; made once."""
    _register_commands()
    return get_command(app)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print a Python warning of ours as every other warning, without file and line of the code."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if category.__module__.startswith("involbench."):
            echo(f"warning: {message}", err=True)
        else:
            usual(message, category, *place, **options)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    make_patient()
    code = _exit_code()
    lost = lost_output()
    if lost is not None:
        _print_errors(lost)
    sys.exit(code or (0 if lost is None else 1))


def _exit_code() -> int:
    try:
        with _warnings_as_lines():
            return int(_command()(prog_name="involbench", standalone_mode=False) or 0)
    except InvolbenchError as error:
        verbose = bool({"-v", "--verbose"} & set(sys.argv))
        if verbose:
            traceback.print_exc()
        _print_errors(error.in_full() if verbose else str(error))
        return error.exit_code
    except _UsageError as error:
        _print_usage_error(error)
        return 2
    except typer.Abort:
        return 130
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1


def _print_errors(text: str) -> None:
    """Print one or several errors, a line each; indented lines belong to the one above them."""
    echo(re.sub(r"^(?=\S)", "error: ", text, flags=re.MULTILINE), err=True)


def _print_usage_error(error: Any) -> None:
    message = error.format_message()
    if error.ctx is None or message == error.ctx.get_help():  # Nothing was given: it is the help.
        echo(message, err=True)
        return
    line = " ".join(message.replace(": Value error, ", ": ").split()).rstrip(".")
    hint = f"`{error.ctx.command_path} --help` lists what is possible"
    _print_errors(f"{line[:1].lower()}{line[1:]}; {hint}")
