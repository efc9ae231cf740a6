"""Trials of matched models -> trials of models with a width."""

from collections.abc import Callable, Mapping, Sequence

from involbench.errors import SettingError, SpecError
from involbench.execution.crew import Works
from involbench.execution.messages import Notice, Report
from involbench.execution.requests import MatchWidth
from involbench.results.budget import Matched
from involbench.spec.architectures import Scalable
from involbench.spec.match import Match
from involbench.spec.trial import Trial, shared_coordinates

TOLERANCE = 0.02


def with_widths(
    trials: Sequence[Trial], worker: Works, show: Callable[[Report], None]
) -> list[Trial]:
    """The trials, with every `match` replaced by the width that it stands for.

    Raises:
        SpecError: No width comes within 2% of a budget, or there is not one budget.
    """
    matched, faults = match_widths(trials, worker, show)
    if faults:
        raise SpecError("\n".join(dict.fromkeys(str(error) for _, error in faults)))
    return matched


def match_widths(
    trials: Sequence[Trial], worker: Works, show: Callable[[Report], None]
) -> tuple[list[Trial], list[tuple[Trial, SettingError]]]:
    """The same, and beside them the trials for which there is no width, each with the reason."""
    found: dict[str, Matched | SettingError] = {}
    beside: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        beside.setdefault((trial.model, trial.seed), []).append(trial)
    matched, faults = list[Trial](), list[tuple[Trial, SettingError]]()
    for trial in trials:
        try:
            matched.append(_with_width(trial, beside, worker, show, found))
        except SettingError as error:
            faults.append((trial, error))
    return matched, faults


def _with_width(
    trial: Trial,
    beside: Mapping[tuple[str, int], Sequence[Trial]],
    worker: Works,
    show: Callable[[Report], None],
    found: dict[str, Matched | SettingError],
) -> Trial:
    architecture = trial.architecture
    if not isinstance(architecture, Scalable) or architecture.match is None:
        return trial
    request = MatchWidth(trial, _matched_by(trial, architecture.match, beside))
    question = "".join(t.run_id("").rpartition("-")[2] for t in _without_seeds(request))
    if question not in found:
        show(
            Notice(f"{trial.model}: looking for the width that matches {architecture.match.model}")
        )
        found[question] = _near_enough(request, architecture.match, worker, show)
    matched = found[question]
    if isinstance(matched, SettingError):
        raise matched
    return trial.model_copy(update={"architecture": architecture.scaled(matched.width)})


def _near_enough(
    request: MatchWidth, match: Match, worker: Works, show: Callable[[Report], None]
) -> Matched | SettingError:
    """The width, or why there is none."""
    try:
        matched: Matched = worker.ask(request, show)
    except SettingError as error:
        return error
    model = request.trial.model
    said = _said(model, match, matched)
    if abs(matched.excess) > TOLERANCE:
        return SettingError(
            f"models.{model}.match",
            f"no width comes within {TOLERANCE:.0%} of {match.model}; the nearest possible: {said}",
        )
    show(Notice(said))
    return matched


def _without_seeds(request: MatchWidth) -> list[Trial]:
    return [trial.model_copy(update={"seed": 0}) for trial in (request.trial, request.reference)]


def _matched_by(
    trial: Trial, match: Match, beside: Mapping[tuple[str, int], Sequence[Trial]]
) -> Trial:
    """The trial of the other model, of the same seed and at the same point of the sweep."""
    others = [
        other
        for other in beside.get((match.model, trial.seed), ())
        if shared_coordinates(other.point) == shared_coordinates(trial.point)
    ]
    if len(others) != 1:
        raise SettingError(
            f"models.{trial.model}.match",
            f"{match.model} is swept, so that there is not one size to match; take "
            f"models.{match.model} out of the sweep",
        )
    return others[0]


def _said(model: str, match: Match, matched: Matched) -> str:
    unit = "trainable parameters" if match.what == "parameters" else "MACs"
    return (
        f"{model}: width {matched.width} has {matched.count:,} {unit}, {matched.excess:+.2%} of "
        f"{match.model}'s {matched.budget:,}"
    )
