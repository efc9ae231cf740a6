"""Trials of matched models -> trials of models with a width."""

from collections.abc import Callable, Mapping, Sequence

from involbench.errors import SpecError
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
    found: dict[str, Matched] = {}
    beside: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        beside.setdefault((trial.model, trial.seed), []).append(trial)
    return [_with_width(trial, beside, worker, show, found) for trial in trials]


def _with_width(
    trial: Trial,
    beside: Mapping[tuple[str, int], Sequence[Trial]],
    worker: Works,
    show: Callable[[Report], None],
    found: dict[str, Matched],
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
        found[question] = worker.ask(request, show)
        said = _said(trial.model, architecture.match, found[question])
        if abs(found[question].excess) > TOLERANCE:
            raise SpecError(
                f"models.{trial.model}.match: no width comes within {TOLERANCE:.0%} of "
                f"{architecture.match.model}; the nearest possible: {said}"
            )
        show(Notice(said))
    return trial.model_copy(update={"architecture": architecture.scaled(found[question].width)})


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
        raise SpecError(
            f"models.{trial.model}.match: {match.model} is swept, so that there is not one size to "
            f"match; take models.{match.model} out of the sweep"
        )
    return others[0]


def _said(model: str, match: Match, matched: Matched) -> str:
    unit = "trainable parameters" if match.what == "parameters" else "MACs"
    return (
        f"{model}: width {matched.width} has {matched.count:,} {unit}, {matched.excess:+.2%} of "
        f"{match.model}'s {matched.budget:,}"
    )
