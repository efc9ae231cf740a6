"""A comparison as a Markdown table, for a README or a pull request."""

from collections.abc import Sequence

from involbench.analysis.comparison import Comparison
from involbench.reporting.tables_text import (
    RESULT_COLUMNS,
    SIZE_COLUMNS,
    notes,
    result_cells,
    side_by_side,
    size_cells,
)


def comparison_markdown(comparison: Comparison) -> str:
    """A heading, one table a sweep point, and the notes as a list."""
    parts = [f"### {comparison.experiment}"]
    for heading, results in side_by_side(comparison):
        rows = [
            (*result_cells(result, comparison.baseline), *size_cells(result)[1:])
            for result in results
        ]
        table = _table((*RESULT_COLUMNS, *SIZE_COLUMNS[1:]), rows)
        parts.append(f"**{_escape(heading)}**\n\n{table}" if heading else table)
    parts.append("\n".join(f"- {_escape(note)}" for note in notes(comparison)))
    return "\n\n".join(parts) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_escape, cells))} |" for cells in lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
