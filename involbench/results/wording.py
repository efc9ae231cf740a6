"""Text from files, as it can be shown."""


def printable(text: str) -> str:
    """`text` on one line, without what a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def excerpt(text: str, longest: int = 200) -> str:
    """`printable` text, cut where it is longer."""
    line = printable(text[: 4 * longest])
    return line if len(line) <= longest else f"{line[: longest - 3]}..."
