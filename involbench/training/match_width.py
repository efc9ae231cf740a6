"""The width at which a model is as large as another one, found without training."""

from collections.abc import Callable
from functools import cache

from involbench.errors import SettingError
from involbench.models.parameters import build_without_weights, count_parameters
from involbench.results.record import ROLES, WidthMatch
from involbench.spec.architectures import Scalable
from involbench.spec.trial import Trial
from involbench.training.fit import build

_LARGEST_SMALLEST = 256
_MOST_STEPS = 2**17
"""From the smallest width; by then every size has grown, unless it does not depend on the width."""
_WIDEST_GAP = 1024
"""Between two widths that can be built; beyond a larger gap, no width can."""


def match_width(
    trial: Trial, reference: Trial, input_shape: tuple[int, int, int], num_classes: int
) -> WidthMatch:
    """The width whose size is nearest to that of the reference, however far that is.

    Args:
        trial: A trial of a model with `match`.
        reference: A trial of the model that `match` names.

    Raises:
        SettingError: The model cannot be built at any small width, the reference cannot be built,
            or one of them has nothing of what is counted.
    """
    architecture = trial.architecture
    assert isinstance(architecture, Scalable) and architecture.match is not None
    match = architecture.match
    roles = {"all": ROLES, "body": [role for role in ROLES if role != "head"]}

    def size(trial: Trial) -> int:
        with build_without_weights():
            counted = count_parameters(build(trial, input_shape, num_classes))
        by_role = counted.by_role if match.parameters else counted.macs_by_role
        return sum(by_role[role] for role in roles.get(match.of, ["operator"]))

    def size_at(width: int) -> int:
        return size(trial.model_copy(update={"architecture": architecture.scaled(width)}))

    budget = size(reference)
    if not budget:
        raise SettingError(f"models.{trial.model}.match", f"{match.model} has no {match.unit}")
    width, count = nearest_width(size_at, budget)
    if not count:
        raise SettingError(f"models.{trial.model}.match", f"it has no {match.unit}")
    return WidthMatch(width=width, count=count, budget=budget)


def nearest_width(size: Callable[[int], int], budget: int) -> tuple[int, int]:
    """The width whose size is nearest to a budget, and that size.

    `size` gives the size at a width, which grows with it, and raises SettingError at widths that
    cannot be built.

    Raises:
        SettingError: No width up to 256 can be built.
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
        """The first width that can be built, from `width` to `last`."""
        return next((w for w in range(width, last + 1) if known(w) is not None), None)

    step = first(1, _LARGEST_SMALLEST)
    if step is None:
        why = reasons[_LARGEST_SMALLEST]
        raise SettingError(why.key, f"{why.reason}; no smaller width can be built either")

    def enough(steps: int) -> bool:
        """Whether the first width after `steps` steps reaches the budget, or does not exist."""
        width = first(steps * step, steps * step + _WIDEST_GAP)
        return width is None or (known(width) or 0) >= budget

    low, high = 0, 1
    while not enough(high) and high < _MOST_STEPS:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    # Widths between multiples of the smallest may be possible, such as 6 where a layer has two
    # groups and needs four channels.
    last = first(high * step, high * step + _WIDEST_GAP) or high * step
    sizes = {width: known(width) for width in range(max(1, low * step), last + 1)}
    possible = {width: count for width, count in sizes.items() if count is not None}
    best = min(possible, key=lambda width: abs(possible[width] - budget))
    return best, possible[best]
