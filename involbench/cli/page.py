"""What a command prints on stdout, drawn for a terminal, a pipe or a file."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def page(parts: "Iterable[RenderableType]", for_screen: bool = True) -> str:
    """The parts one below the other, as wide as the terminal but at least 80 columns.

    Decorated only on a terminal; a file gets 80 columns.
    """
    from rich.console import Console

    plain = not for_screen or "NO_COLOR" in os.environ
    console = Console(
        highlight=False,
        color_system=None if plain else "auto",
        width=None if for_screen else 80,
    )
    console.width = max(console.width, 80)
    # Captured, since rich would end the process with 1 where a pipe's reader is gone.
    with console.capture() as captured:
        console.print(*parts, sep="\n")
    return captured.get()
