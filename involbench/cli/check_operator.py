"""`involbench check-operator`: what a run needs of an operator, tried on small images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from involbench.cli._options import Plugins, import_plugins, parse_path
from involbench.cli._output import print_json, print_page
from involbench.cli._worker import call_worker
from involbench.errors import UsageError

if TYPE_CHECKING:
    from involbench.reporting.tables import Page
    from involbench.results.checks import OperatorCheck


def check_operator(
    operator: Annotated[
        str,
        typer.Argument(
            metavar="OPERATOR", help="A name, or FILE:NAME of one that a Python file registers."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("-S", "--set", metavar="KEY=VALUE", help="An argument of the operator."),
    ] = None,
    plugins: Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check an operator: shapes, gradients, saving.

    FILE:NAME is short for --plugin FILE NAME. Exit code 1 if a check fails that every run needs.
    """
    from involbench.workers import handlers

    file, _, name = operator.rpartition(":")
    if file:
        import_plugins([parse_path(file)])
    checks = call_worker(handlers.check_operator, name, _arguments(settings or []))
    if as_json:
        print_json({"operator": name, "checks": [_document(check) for check in checks]})
    else:
        print_page(_checks_page(name, checks))
    if any(check.needed and check.reason for check in checks):
        raise typer.Exit(1)


def _arguments(settings: Sequence[str]) -> dict[str, Any]:
    from involbench.spec.yaml import NotYaml, parse

    found = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: expected KEY=VALUE")
        try:
            found[key] = parse(value).value
        except NotYaml as error:
            raise UsageError(f"--set {setting}: not valid YAML: {error}") from None
    return found


def _document(check: "OperatorCheck") -> dict[str, Any]:
    return {
        "name": check.name,
        "needed": check.needed,
        "holds": check.reason is None,
        "reason": check.reason,
    }


def _checks_page(name: str, checks: "Sequence[OperatorCheck]") -> "Page":
    from involbench.reporting.tables import Column, Page, Table

    rows = [
        (
            check.name,
            "every run" if check.needed else "some runs",
            "no" if check.reason else "yes",
            check.reason or "",
        )
        for check in checks
    ]
    columns = ("check", "needed by", "holds", Column("reason", align="left"))
    failed = [check for check in checks if check.needed and check.reason]
    verdict = "a run can use it"
    if failed:
        verdict = f"a run can't use it: {', '.join(check.name for check in failed)} failed"
    return Page([Table(columns, rows, title=name, labels=2)], notes=[[verdict]])
