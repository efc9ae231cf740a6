"""What every command does alike with what it prints."""

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType


_NARROWEST = 20
"""Columns; less is no width of a terminal."""


class Rendered(str):
    """Text with the styles of a terminal in it, in which all other control characters are shown."""


def echo(text: object, err: bool = False, nl: bool = True) -> None:
    """Print text, on stderr if `err`. This is the one way out: it shows control characters."""
    from involbench.results.wording import visible

    typer.echo(text if isinstance(text, Rendered) else visible(str(text)), err=err, nl=nl)


def warn(text: str) -> None:
    """Say something on stderr that does not end the command."""
    from involbench.results.wording import printable

    echo(f"warning: {printable(text)}", err=True)


def print_json(document: dict[str, Any]) -> None:
    """Print one strict JSON document."""
    echo(json.dumps(document, indent=2, allow_nan=False))


def rendered(parts: "Iterable[RenderableType]", for_screen: bool = True) -> Rendered:
    """Text as wide as the terminal, or as COLUMNS says; decorated only on a terminal."""
    from rich.text import Text

    from involbench.reporting.safe_console import SafeConsole
    from involbench.reporting.whole_words import WholeWords

    plain = not for_screen or "NO_COLOR" in os.environ
    console = SafeConsole(
        highlight=False,
        color_system=None if plain else "auto",
        width=None if for_screen else 80,
    )
    console.width = max(console.width, _NARROWEST)
    # Captured, since rich would end the process with 1 where a pipe's reader is gone.
    with console.capture() as page:
        for part in parts:
            whole = WholeWords(part) if isinstance(part, Text) else part
            console.print(whole, crop=False)
    return Rendered(page.get())
