"""Finding the width at which a model is as large as another, without training."""

from collections.abc import Callable
from functools import cache

from involbench.errors import SettingError
from involbench.models.parameters import build_without_weights, count_parameters
from involbench.results.record import WidthMatch
from involbench.spec.architectures import Scalable
from involbench.spec.trial import Trial
from involbench.training.fit import build

_LARGEST_SMALLEST = 256
_WIDEST_GAP = 1024
"""Between two widths that can be built; where there is none in it, there are none beyond it."""


def match_width(
    trial: Trial, reference: Trial, input_shape: tuple[int, int, int], num_classes: int
) -> WidthMatch:
    """The width that comes nearest to the budget, whether near enough or not.

    Args:
        trial: Of a model with a `match`.
        reference: Of the model that it names.
        input_shape: (height, width, channels) of the images.
        num_classes: Number of classes.

    Raises:
        SettingError: The model cannot be built at any small width, or the other one not at all.
    """
    architecture = trial.architecture
    assert isinstance(architecture, Scalable) and architecture.match is not None
    what = architecture.match.what

    def size(of: Trial) -> int:
        with build_without_weights():
            counted = count_parameters(build(of, input_shape, num_classes))
        return counted.trainable if what == "parameters" else counted.macs

    def at(width: int) -> int:
        return size(trial.model_copy(update={"architecture": architecture.scaled(width)}))

    budget = size(reference)
    width, count = nearest_width(at, budget)
    return WidthMatch(width=width, count=count, budget=budget)


def nearest_width(size: Callable[[int], int], budget: int) -> tuple[int, int]:
    """The width whose size is nearest to a budget, and that size.

    Args:
        size: Grows with the width; raises SettingError at widths that cannot be built.
        budget: The size wanted.

    Raises:
        SettingError: None of the widths up to 256 can be built.
    """

    reasons = dict[int, SettingError]()

    @cache
    def known(width: int) -> int | None:
        try:
            return size(width)
        except SettingError as error:
            reasons[width] = error
            return None

    def first(width: int, last: int) -> int | None:
        """The first width from this one on that can be built."""
        return next((w for w in range(width, last + 1) if known(w) is not None), None)

    step = first(1, _LARGEST_SMALLEST)
    if step is None:
        why = reasons[_LARGEST_SMALLEST]
        raise SettingError(why.key, f"{why.reason}; nor can it at any smaller width")

    def enough(steps: int) -> bool:
        """Whether the first width from so many steps on is as large as the budget, or is none."""
        width = first(steps * step, steps * step + _WIDEST_GAP)
        return width is None or (known(width) or 0) >= budget

    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    # Other widths than multiples of the smallest may do, such as 6 where a layer has two groups
    # and needs four channels.
    last = first(high * step, high * step + _WIDEST_GAP) or high * step
    sizes = {width: known(width) for width in range(max(1, low * step), last + 1)}
    possible = {width: count for width, count in sizes.items() if count is not None}
    best = min(possible, key=lambda width: abs(possible[width] - budget))
    return best, possible[best]
