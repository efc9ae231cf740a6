"""The share of a training's time spent waiting for its images, and when it is too much."""

from collections.abc import Mapping

INPUT_WAIT = "input_wait"
"""Name of the metric: a share of the training steps' time, median over the epochs."""

_MOST = 0.1


def too_much(metrics: Mapping[str, float | None]) -> str | None:
    """What to say of a run that waited too long; None for all others."""
    share = metrics.get(INPUT_WAIT)
    if share is None or share <= _MOST:
        return None
    return f"{share:.0%} of the training time was spent waiting for images"


HELPS = (
    "what helps: fewer --jobs or more cores, a faster disk for INVOLBENCH_CACHE, "
    "smaller images (data.image_size), less augmentation"
)
"""The first two change no result, the others do."""
