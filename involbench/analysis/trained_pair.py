"""Two single runs, held against each other by their saved predictions."""

from involbench.analysis.comparison import TrainedPair
from involbench.analysis.selection import Arm
from involbench.errors import ResultsError
from involbench.results.predictions import read_predictions


def trained_pair(this: Arm, other: Arm, seed: int, warnings: list[str]) -> TrainedPair | None:
    """What the predictions of two arms' runs of one seed show; None where there are none."""
    from involbench.analysis.mcnemar import mcnemar

    paths = [
        next(run.path for run in arm.finished if run.record.trial.seed == seed)
        for arm in (this, other)
    ]
    if not all((path / "predictions.npz").exists() for path in paths):
        return None
    try:
        pair = mcnemar(*(read_predictions(path) for path in paths))
    except ResultsError as error:
        warnings.append(str(error))
        return None
    if pair is None:
        warnings.append(f"{this.model} and {other.model} have predicted different test labels")
    return pair
