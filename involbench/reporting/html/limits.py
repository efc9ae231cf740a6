"""The part of an experiment that its report draws: as much as can be looked at."""

from math import inf

from involbench.comparison.metrics import ACCURACY
from involbench.comparison.schema import Comparison, ModelResult
from involbench.reporting.tables.cells import side_by_side

MOST_MODELS = 30
MOST_PLACES = 8
"""Sweep points."""
MOST_RESULTS = 60
"""Of one sweep point."""
MOST_SEEDS = 100
"""Of one model, whose curves and predictions are read."""


def drawn_part(comparison: Comparison) -> tuple[Comparison, list[str]]:
    """The comparison without the models and sweep points that are too many to be drawn.

    Returns:
        The comparison, and a sentence for each kind of thing that is left out. Where all is drawn
        it is the same object, and there is no sentence.
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
            f"Charts are of {len(kept)} of {len(models):,} models: the baseline "
            f"{comparison.baseline} and those with the best test accuracy."
        )
    if len(places) > MOST_PLACES:
        notes.append(
            f"Charts of one sweep point are of the first {MOST_PLACES} of {len(places):,} points."
        )
    if (most := max(map(len, places), default=0)) > MOST_RESULTS:
        notes.append(
            f"Charts of one sweep point are of the first {MOST_RESULTS} of up to {most:,} rows."
        )
    seeds = max((each.n_finished for each in comparison.models), default=0)
    if seeds > MOST_SEEDS:
        notes.append(
            f"Curves, confusion and calibration are of the first {MOST_SEEDS} of up to {seeds:,} "
            "seeds of each model; means and verdicts are of all."
        )
    if notes:
        command = f"involbench compare {comparison.experiment} --csv"
        notes.append(f"comparison.csv, or `{command}`, has the numbers of all.")
    return notes
