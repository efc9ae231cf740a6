"""Exported networks as a table."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.units import size
from involbench.results.exports import ExportRecord

EXPORTS_VERSION = 1
"""Of the JSON document."""
_COLUMNS = ("format", "size", "differs by", "same class %", "accuracy %", "Keras' %")


def exports_view(exports: Sequence[ExportRecord]) -> Iterator[RenderableType]:
    """A row a format, and what the columns are."""
    yield NumbersTable(_COLUMNS, [_row(export) for export in exports])
    yield Text(
        f"\nHeld against Keras on {exports[0].test_images} test images, each in its own runtime: "
        "the largest difference of a probability, how often the class is the same, and how often "
        "it is the true one."
    )


def _row(export: ExportRecord) -> tuple[str, ...]:
    return (
        export.format,
        size(export.size_bytes),
        f"{export.largest_difference:.1e}",
        *(
            f"{100 * share:.2f}"
            for share in (export.agreement, export.accuracy, export.keras_accuracy)
        ),
    )
