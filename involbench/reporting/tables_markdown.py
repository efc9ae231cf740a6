"""A comparison as a Markdown table, for a README or a pull request."""

import re
from collections.abc import Sequence

from involbench.analysis.comparison import Comparison
from involbench.analysis.metrics import ACCURACY
from involbench.reporting.claims import claim_sentence
from involbench.reporting.labels import heading, side_by_side
from involbench.reporting.notes import notes, verdicts
from involbench.reporting.tables_text import full_table, without_equal_columns


def comparison_markdown(
    comparison: Comparison, metrics: Sequence[str] = (ACCURACY,), only_changed: bool = False
) -> str:
    """A heading, one table a sweep point, the verdicts and the notes as a list."""
    parts = [f"### {_escape(heading(comparison))}"]
    for point, results in side_by_side(comparison):
        titles, rows = full_table(comparison, results, metrics)
        if only_changed:
            titles, rows = without_equal_columns(titles, rows)
        table = markdown_table(titles, rows)
        parts.append(f"**{_escape(point)}**\n\n{table}" if point else table)
    claims = map(claim_sentence, comparison.claims)
    said = [*verdicts(comparison, metrics), *claims, *notes(comparison, metrics)]
    parts.append("\n".join(f"- {_escape(line)}" for line in said))
    return "\n\n".join(parts) + "\n"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Words to the left, numbers to the right.

    Args:
        columns: Titles.
        rows: As many cells each.
        words: How many of the first columns hold words.
    """
    lines = [columns, ["---"] * words + ["---:"] * (len(columns) - words), *rows]
    return "\n".join(f"| {' | '.join(map(_escape, cells))} |" for cells in lines)


def _escape(text: str) -> str:
    return re.sub(r"[|~*<]", r"\\\g<0>", text)
