"""Tables of numbers on terminals of any width."""

from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from involbench.reporting.tables import Cell, Column, Table, Unit
from involbench.reporting.tables.terminal import TerminalTable

COLUMNS = ("model", "n", "litert size", "difference [95%]", "trainable", "operator", "s/epoch")
ROWS = (
    ("cnn", "6", "1.28 ± 0.00 MB", "baseline", "319,178", "56,320", "0.54"),
    (
        "control kernel_size=5",
        "6",
        "55.4 ± 0.0 kB",
        "▲ -1.23 [-1.23, -1.23] MB",
        "13,002",
        "0",
        "0.087",
    ),
)


@pytest.mark.parametrize(
    ("width", "left_out"), [(100, 0), (80, 0), (70, 1), (60, 2), (40, 4), (20, 4)]
)
def test_numbers_are_never_broken(width: int, left_out: int) -> None:
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(TerminalTable(COLUMNS, ROWS))
    text = console.file.getvalue()
    assert max(map(cell_len, text.splitlines())) <= width
    kept = len(COLUMNS) - left_out
    for row in ROWS:
        for place, cell in enumerate(row[1:], start=1):
            assert (cell in text) == (place < kept) or len(cell) == 1
    where = "no room for: " + ", ".join(COLUMNS[kept:])
    assert (where in " ".join(text.split())) == bool(left_out)


@pytest.mark.parametrize(
    ("unit", "cell", "text"),
    [
        ("percent", 0.12345, "12.35"),
        ("index", 12345, "12345"),
        ("amount", 12345.0, "12,345"),
        ("amount", 0.1234567, "0.123457"),
        ("4", 1234.56, "1235"),
        ("6", 12345, "12,345"),
        ("bytes", 1250000, "1.25 MB"),
        ("percent", None, "n/a"),
        ("percent", "no image", "no image"),
    ],
)
def test_a_cell_has_the_unit_of_its_column(unit: Unit, cell: Cell, text: str) -> None:
    assert Table([Column("value", unit)], [[cell]]).texts == [[text]]


def test_the_heading_names_a_unit_that_cells_lack() -> None:
    columns = [Column("time", "ms"), Column("share", "%"), Column("mean", "percent"), "model"]
    assert Table(columns, []).headings == ["time, ms", "share %", "mean", "model"]
