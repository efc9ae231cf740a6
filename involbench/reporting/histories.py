"""What is drawn of the models of a comparison: their histories, and the accuracy of a guess."""

from collections.abc import Sequence
from itertools import islice

from involbench.analysis.comparison import ModelResult
from involbench.errors import ResultsError
from involbench.reporting.labels import label
from involbench.results.reading import StoredRun
from involbench.results.record import History

Histories = dict[str, dict[int, History]]
"""Model with its coordinates -> seed -> history."""


def histories_of(
    results: Sequence[ModelResult], runs: Sequence[StoredRun], most: int | None = None
) -> tuple[Histories, list[str]]:
    """The histories behind each row of the comparison, and what could not be read.

    Args:
        results: The rows.
        runs: Those that they are of.
        most: How many seeds of each row are read, the first; default: all.
    """
    by_id = {run.record.run_id: run for run in runs}
    found: Histories = {}
    unread = []
    for result in results:
        histories = found.setdefault(label(result.model, result.point), {})
        for seed, run_id in islice(result.runs.items(), most):
            try:
                histories[seed] = by_id[run_id].history()
            except ResultsError as error:
                unread.append(f"{error} (left out of the plots)")
    return found, unread


def single_chance(results: Sequence[ModelResult]) -> float | None:
    """The accuracy of a guess, where it is the same for all models."""
    chances = {result.chance for result in results}
    return chances.pop() if len(chances) == 1 else None
