"""Finding the width at which a model is as large as another, without training."""

from collections.abc import Callable
from functools import cache

from involbench.errors import SpecError
from involbench.profiling import count_parameters, only_outlines
from involbench.results.budget import Matched
from involbench.spec.architectures import Scalable
from involbench.spec.trial import Trial
from involbench.training.fit import build

_LARGEST_SMALLEST = 64


def match_width(
    trial: Trial, reference: Trial, input_shape: tuple[int, int, int], num_classes: int
) -> Matched:
    """The width that comes nearest to the budget, whether near enough or not.

    Args:
        trial: Of a model with a `match`.
        reference: Of the model that it names.
        input_shape: (height, width, channels) of the images.
        num_classes: Number of classes.

    Raises:
        SpecError: The model cannot be built at any small width, or the other one not at all.
    """
    architecture = trial.architecture
    assert isinstance(architecture, Scalable) and architecture.match is not None
    what = architecture.match.what

    def size(of: Trial) -> int:
        with only_outlines():
            counted = count_parameters(build(of, input_shape, num_classes))
        return counted.trainable if what == "parameters" else counted.macs

    def at(width: int) -> int:
        return size(trial.model_copy(update={"architecture": architecture.scaled(width)}))

    budget = size(reference)
    width, count = nearest_width(at, budget)
    return Matched(width=width, count=count, budget=budget)


def nearest_width(size: Callable[[int], int], budget: int) -> tuple[int, int]:
    """The width whose size is nearest to a budget, and that size.

    Args:
        size: Grows with the width; raises SpecError at widths that cannot be built.
        budget: The size wanted.

    Raises:
        SpecError: None of the widths up to 64 can be built.
    """

    @cache
    def known(width: int) -> int | None:
        try:
            return size(width)
        except SpecError:
            return None

    step = next((width for width in range(1, _LARGEST_SMALLEST + 1) if known(width)), None)
    if step is None:
        size(_LARGEST_SMALLEST)  # Says why.
        raise SpecError(f"no width up to {_LARGEST_SMALLEST} can be built")
    low, high = 1, 1
    while (known(high * step) or 0) < budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if (known(middle * step) or 0) < budget else (low, middle)
    # Other widths than multiples of the smallest may do, such as 6 where a layer has two groups
    # and needs four channels.
    sizes = {width: known(width) for width in range(low * step, high * step + 1)}
    possible = {width: count for width, count in sizes.items() if count is not None}
    best = min(possible, key=lambda width: abs(possible[width] - budget))
    return best, possible[best]
