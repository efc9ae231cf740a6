"""Networks that learnt nothing."""

from collections.abc import Sequence
from math import sqrt


def never_left_chance(accuracies: Sequence[float | None], chance: float, size: int) -> bool:
    """Whether no epoch's accuracy is more than chance would give.

    A network that ignores its input is right with probability `chance` on each image, so its
    accuracy on `size` images has standard deviation sqrt(chance * (1 - chance) / size). An
    accuracy counts as having left chance when it is more than three of them above it.

    Args:
        accuracies: Validation accuracy after each epoch, as a fraction; None where it was not
            measured or not finite.
        chance: Share of the most frequent class, as a fraction.
        size: Number of images that each accuracy was measured on; positive.

    Returns:
        True where none of them left chance; False where nothing was measured, since nothing
        can be said then.
    """
    measured = [accuracy for accuracy in accuracies if accuracy is not None]
    threshold = chance + 3 * sqrt(chance * (1 - chance) / size)
    return bool(measured) and max(measured) <= threshold
