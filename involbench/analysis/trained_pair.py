"""Two single runs, held against each other by their saved predictions."""

from involbench.analysis.comparison import TrainedPair
from involbench.analysis.selection import Arm
from involbench.errors import ResultsError
from involbench.results.predictions import read_predictions


def trained_pair(this: Arm, other: Arm, seed: int, warnings: list[str]) -> TrainedPair | None:
    """What the predictions of two arms' runs of one seed show; None where there are none."""
    from involbench.analysis.mcnemar import mcnemar

    runs = [
        next(run for run in arm.finished if run.record.trial.seed == seed) for arm in (this, other)
    ]
    if not all((run.path / "predictions.npz").exists() for run in runs):
        return None
    try:
        pair = mcnemar(*(read_predictions(run) for run in runs))
    except ResultsError as error:
        warnings.append(str(error))
        return None
    if pair is None:
        warnings.append(f"{this.model} and {other.model} have predicted different test labels")
    return pair
