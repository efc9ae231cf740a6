"""The share of a training's time spent waiting for its images, and when it is too much."""

from collections.abc import Mapping

INPUT_WAIT = "input_wait"
"""Name of the metric: a share of the training steps' time, median over the epochs."""

_MOST = 0.1
_SECONDS = 1.0
"""What a short training waits for less than this is nobody's concern."""


def too_much(metrics: Mapping[str, float | None], epochs: int) -> str | None:
    """What to say of a run that waited too long; None for all others."""
    share, seconds = metrics.get(INPUT_WAIT), metrics.get("seconds_per_epoch")
    if share is None or seconds is None or share <= _MOST or share * seconds * epochs < _SECONDS:
        return None
    return f"{share:.0%} of the training time was spent waiting for images"


HELPS = (
    "what helps: fewer --jobs or more cores, a faster disk for INVOLBENCH_CACHE, "
    "smaller images (data.image_size), less augmentation"
)
"""The first two change no result, the others do."""
