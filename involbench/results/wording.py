"""Text from files, made safe to show: on a terminal, in a page, in a chart, in a log."""

from collections.abc import Mapping, Sequence


def visible(text: str) -> str:
    """`text` with control and direction characters as escapes such as `\\x1b`, which nothing obeys.

    Line breaks and tabs stay. Every character that Unicode does not call printable is escaped:
    C0 and C1 controls, direction marks, other invisible characters, halves of surrogate pairs.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escape(c) for c in text)


def printable(text: str) -> str:
    """`visible` text on one line."""
    return visible(" ".join(text.split()))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def excerpt(text: str, longest: int = 200) -> str:
    """`printable` text, cut where it is longer."""
    line = printable(text[: 4 * longest])
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def first_of(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def coordinates(point: Mapping[str, object]) -> str:
    """`data.train_size = 500, models.*.kernel_size = 3`, of a sweep point."""
    return ", ".join(f"{key} = {value}" for key, value in point.items())


def located(name: str, point: Mapping[str, object]) -> str:
    """`inn at data.train_size = 500`; the name alone where nothing is swept."""
    return f"{name} at {coordinates(point)}" if point else name


def seeds(count: int, of: int | None = None) -> str:
    """`1 seed`, `6 seeds`; `3 of 6 seeds` where there are fewer than there were to be."""
    whole = count if of is None else of
    some = "" if whole == count else f"{count} of "
    return f"{some}{whole} seed{'' if whole == 1 else 's'}"
