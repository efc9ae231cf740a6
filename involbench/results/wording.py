"""Text from files, as it can be shown."""

from collections.abc import Sequence


def printable(text: str) -> str:
    """`text` on one line, without what a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def excerpt(text: str, longest: int = 200) -> str:
    """`printable` text, cut where it is longer."""
    line = printable(text[: 4 * longest])
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def first_of(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
