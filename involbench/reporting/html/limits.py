"""Limits on how much of an experiment its report draws."""

from math import inf

from involbench.comparison.metrics import ACCURACY
from involbench.comparison.schema import Comparison, ModelResult
from involbench.reporting.tables.cells import side_by_side

MOST_MODELS = 30
MOST_PLACES = 8
"""Sweep points."""
MOST_RESULTS = 60
"""Rows of one sweep point."""
MOST_SEEDS = 100
"""Seeds of one model whose curves and predictions are read."""


def drawn_part(comparison: Comparison) -> tuple[Comparison, list[str]]:
    """Leave out the models, sweep points and rows beyond the limits.

    Returns:
        The comparison, and a sentence for each kind of thing left out. If nothing is left out,
        the comparison is the same object.
    """
    models = list(dict.fromkeys(each.model for each in comparison.models))
    kept = models if len(models) <= MOST_MODELS else _first_models(comparison, models)
    places = [
        [each for each in results if each.model in kept] for _, results in side_by_side(comparison)
    ]
    drawn = [each for results in places[:MOST_PLACES] for each in results[:MOST_RESULTS]]
    notes = list(_left_out(comparison, models, kept, places))
    if not notes:
        return comparison, []
    curves = tuple(curve for curve in comparison.curves if curve.model in kept)
    return comparison.model_copy(update={"models": tuple(drawn), "curves": curves}), notes


def _first_models(comparison: Comparison, models: list[str]) -> set[str]:
    best: dict[str, float] = dict.fromkeys(models, -inf)
    for each in comparison.models:
        mean = each.mean(ACCURACY)
        best[each.model] = max(best[each.model], -inf if mean is None else mean)
    first = sorted(models, key=lambda model: (model != comparison.baseline, -best[model]))
    return set(first[:MOST_MODELS])


def _left_out(
    comparison: Comparison,
    models: list[str],
    kept: list[str] | set[str],
    places: list[list[ModelResult]],
) -> list[str]:
    notes = []
    if len(kept) < len(models):
        notes.append(
            f"Charts show {len(kept)} of {len(models):,} models: the baseline "
            f"{comparison.baseline} and those with the best test accuracy."
        )
    if len(places) > MOST_PLACES:
        notes.append(
            f"Charts of single sweep points show the first {MOST_PLACES} of {len(places):,} points."
        )
    if (most := max(map(len, places), default=0)) > MOST_RESULTS:
        notes.append(
            f"Charts of single sweep points show the first {MOST_RESULTS} of up to {most:,} rows."
        )
    seeds = max((each.n_finished for each in comparison.models), default=0)
    if seeds > MOST_SEEDS:
        notes.append(
            f"Curves, confusion and calibration use the first {MOST_SEEDS} of up to {seeds:,} "
            "seeds of each model; means and verdicts use all seeds."
        )
    if notes:
        command = f"involbench compare {comparison.experiment} --csv"
        notes.append(f"For all numbers, see comparison.csv or run `{command}`.")
    return notes
