"""What `doctor` found, as a page and as JSON."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from involbench.reporting.tables.terminal import Fields
from involbench.results.checks import Check, Examination
from involbench.text import printable

DOCTOR_VERSION = 1
"""Of the JSON document."""

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor_view(examination: Examination, heading: str) -> Iterator[RenderableType]:
    """A line or two a finding, below its topic; then whether a run would work.

    Args:
        examination: What was found.
        heading: The versions of what was looked at.
    """
    yield Text(heading, style="bold")
    for topic, findings in groupby(examination.findings, lambda finding: finding.topic):
        yield Text(f"\n{topic}", style="bold")
        yield _grid(findings)
    yield Text(f"\n{_verdict(examination)}", style=_COLOURS[examination.status])


def doctor_document(examination: Examination) -> dict[str, Any]:
    """The same for `--json`, with the machine as run records describe it."""
    return {
        "schema_version": DOCTOR_VERSION,
        "status": examination.status,
        **examination.model_dump(mode="json"),
    }


def _grid(findings: Iterator[Check]) -> Fields:
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


def _verdict(examination: Examination) -> str:
    warnings, problems = (
        sum(finding.status == status for finding in examination.findings)
        for status in ("warning", "problem")
    )
    if problems:
        return f"`involbench run` would fail: {_counted(problems, 'problem')}."
    said = f", with {_counted(warnings, 'warning')}" if warnings else ""
    return f"`involbench run` would work{said}."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
