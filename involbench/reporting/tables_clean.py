"""What `clean` would remove, as a table."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.units import size
from involbench.results.leftovers import Leftover


def leftovers_view(leftovers: Sequence[Leftover], root: Path) -> Iterator[RenderableType]:
    """A row a leftover, with its path below `root` where it is there, and the sum."""
    rows = []
    for leftover in leftovers:
        path = leftover.path.path
        name = path.relative_to(root) if path.is_relative_to(root) else path
        rows.append((str(name), size(leftover.size), leftover.why))
    yield NumbersTable(("left over", "size", "what it is"), rows, prose=True)
    yield Text(f"\n{counted(leftovers)} in {root}")


def counted(leftovers: Sequence[Leftover]) -> str:
    """How many they are and how large together: `3 things, 1.25 MB`."""
    noun = "thing" if len(leftovers) == 1 else "things"
    return f"{len(leftovers)} {noun}, {size(sum(leftover.size for leftover in leftovers))}"
