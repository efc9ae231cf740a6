"""`involbench doctor`: check whether a run would work here, and what to do if not."""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import Overrides, Results, parse_path
from involbench.cli._output import print_json, print_page
from involbench.cli._worker import progress_line, stoppable
from involbench.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from involbench.reporting.tables.terminal import Fields
    from involbench.results.checks import Check, Examination

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="SPEC",
            parser=parse_path,
            help="An experiment's YAML file, to check its data too.",
        ),
    ] = None,
    overrides: Overrides = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check packages, devices, folders and data.

    Exit code 1 if a run would fail.
    """
    import platform

    from involbench import __version__
    from involbench.runner.doctor import examine
    from involbench.spec.load import load_spec

    loaded = load_spec(spec, overrides or []) if spec or overrides else None
    with stoppable("interrupted"), progress_line() as show:
        examination = examine(loaded, results, show)
    if as_json:
        document = examination.model_dump(mode="json")
        print_json({"schema_version": 1, "status": examination.status, **document})
    else:
        system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
        heading = f"involbench {__version__}, {system}"
        print_page(*_view(examination, heading))
    if examination.status == "problem":
        raise typer.Exit(1)


def _view(examination: "Examination", heading: str) -> "Iterator[RenderableType]":
    """The findings by topic, and whether a run would work."""
    from rich.text import Text

    yield Text(heading, style="bold")
    for topic, findings in groupby(examination.findings, lambda finding: finding.topic):
        yield Text(f"\n{topic}", style="bold")
        yield _fields(findings)
    yield Text(f"\n{_verdict(examination)}", style=_COLOURS[examination.status])


def _fields(findings: "Iterator[Check]") -> "Fields":
    from rich.text import Text

    from involbench.reporting.tables.terminal import Fields

    rows = []
    for finding in findings:
        mark = Text(f"  {finding.status}", style=_COLOURS[finding.status])
        rows.append((mark, Text(finding.name, style="dim"), Text(_shorter(finding.found))))
        if finding.remedy:
            rows.append((Text(), Text(), Text(f"-> {_shorter(finding.remedy)}")))
    return Fields(rows, [9, 15])


def _shorter(text: str) -> str:
    """With `~` for the home folder, so that most paths stay on one line."""
    home = str(Path.home())
    return printable(text.replace(f"{home}/", "~/") if len(home) > 1 else text)


def _verdict(examination: "Examination") -> str:
    from involbench.reporting.units import counted

    warnings, problems = (
        sum(finding.status == status for finding in examination.findings)
        for status in ("warning", "problem")
    )
    if problems:
        return f"`involbench run` would fail: {counted(problems, 'problem')}."
    but = f", with {counted(warnings, 'warning')}" if warnings else ""
    return f"`involbench run` would work{but}."
