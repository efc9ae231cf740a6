"""Two trained networks on the same test images."""

import numpy as np

from involbench.analysis.comparison import TrainedPair
from involbench.results.predictions import Predicted


def mcnemar(this: Predicted, baseline: Predicted) -> TrainedPair | None:
    """Whether one of two trained networks is right more often than the other.

    McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12 (1947), in its exact form: of the images that only one of them gets right,
    as many should be the one's as the other's. It says nothing of other seeds.

    Returns:
        None where the two were not tested on the same labels.
    """
    from scipy.special import bdtr

    if not np.array_equal(this.labels, baseline.labels):
        return None
    mine, theirs = (each.predicted == each.labels for each in (this, baseline))
    only_this, only_baseline = int(np.sum(mine & ~theirs)), int(np.sum(theirs & ~mine))
    apart, fewer = only_this + only_baseline, min(only_this, only_baseline)
    return TrainedPair(
        images=len(mine),
        only_this_right=only_this,
        only_baseline_right=only_baseline,
        p=min(1.0, 2 * float(bdtr(fewer, apart, 0.5))) if apart else 1.0,
    )
