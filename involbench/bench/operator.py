"""One shape -> the times of the operator and of other forms, alternating within each repeat."""

import time
from collections.abc import Callable

import numpy as np
import psutil

from involbench.bench.bandwidth import make_copy
from involbench.bench.call import Call, backend_tools
from involbench.bench.forms import make_calls, unfold_name
from involbench.bench.machine import this_machine
from involbench.errors import InvolbenchError, UsageError
from involbench.results.benchmark import (
    PARTS,
    Form,
    FormTimes,
    OperatorShape,
    OperatorTimes,
    Part,
)
from involbench.training.device import gpu_names

_TOLERANCE = 1e-4
_SMALL = OperatorShape(batch=1, height=5, width=9, channels=2, kernel_size=3, groups=1)
_COPIES_HELD = 6
"""Of the patches; with gradients the published arithmetic was seen to hold five and a little."""


def time_operator(
    shape: OperatorShape, repeats: int, progress: Callable[[int, int], None]
) -> OperatorTimes:
    """Time every form at one shape.

    A process should time one shape only: what it has compiled for another would be found again.

    Args:
        shape: The shape.
        repeats: How often every form is timed.
        progress: Called with the repeats that are done, and with all.

    Raises:
        UsageError: The shape would not fit into memory.
        InvolbenchError: The operator's results differ from those of the patches.
    """
    require_memory(shape)
    for parts in make_calls(_SMALL).values():  # Wakes the backend and its compiler up.
        for part in PARTS:
            seconds(parts[part])
    calls = make_calls(shape)
    first = {form: seconds(parts["forward_and_gradients"]) for form, parts in calls.items()}
    apart = _difference(calls)
    taken, copies = _alternate(calls, repeats, progress)
    tools = backend_tools()
    return OperatorTimes(
        shape=shape,
        data_format=tools.DATA_FORMAT,
        patches=tools.PATCHES,
        unfold=unfold_name() if "unfold" in calls else None,
        forms={
            form: FormTimes(
                first_call_seconds=first[form],
                seconds={part: tuple(taken[form, part]) for part in PARTS},
            )
            for form in calls
        },
        copy_bytes_per_second=tuple(copies),
        largest_difference=apart,
        machine=this_machine(),
    )


def seconds(call: Call) -> float:
    """The time of one call, its results waited for."""
    start = time.perf_counter()
    _results = call()  # Held until the time is taken.
    return time.perf_counter() - start


def require_memory(shape: OperatorShape) -> None:
    """Check that all forms of a shape fit into main memory, where they are to lie there.

    Raises:
        UsageError: They do not.
    """
    needed = _COPIES_HELD * max(shape.patches_bytes, shape.weights_bytes("conv3x3"))
    free = psutil.virtual_memory().available
    if needed > free and not gpu_names():
        raise UsageError(
            f"--shape {shape}: what involution is compared with needs about "
            f"{needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free; use a smaller shape"
        )


def _alternate(
    calls: dict[Form, dict[Part, Call]], repeats: int, progress: Callable[[int, int], None]
) -> tuple[dict[tuple[Form, Part], list[float]], list[float]]:
    """Seconds of every call and bytes per second of a copy, one value a repeat."""
    copy = make_copy()
    order = [(form, part) for part in PARTS for form in calls]
    taken: dict[tuple[Form, Part], list[float]] = {key: [] for key in order}
    copies = []
    for form, part in order:  # What only the first call does is no part of a repeat.
        seconds(calls[form][part])
    for repeat in range(repeats):
        progress(repeat, repeats)
        # Each form follows now one neighbour, now the other, whose caches it finds.
        for form, part in order if repeat % 2 else reversed(order):
            taken[form, part].append(seconds(calls[form][part]))
        copies.append(copy())
    return taken, copies


def _difference(calls: dict[Form, dict[Part, Call]]) -> float:
    """Between our results and those of every other way to write an involution; the largest."""
    others = (form for form in ("patches", "unfold") if form in calls)
    return max(_difference_from(form, calls) for form in others)


def _difference_from(form: Form, calls: dict[Form, dict[Part, Call]]) -> float:
    results, expected = (
        [array for part in PARTS for array in calls[name][part].arrays()]
        for name in ("involution", form)
    )
    apart = [
        float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))
        for ours, theirs in zip(results, expected, strict=True)
    ]
    names = (
        "the result",
        "the result beside gradients",
        "the gradient by the images",
        "the gradient by the kernels",
    )
    for name, difference in zip(names, apart, strict=True):
        if not difference <= _TOLERANCE:
            raise InvolbenchError(
                f"{name} of the involution is up to {difference:.1e} of its largest value away "
                f"from that of the {form} form (at most {_TOLERANCE:.0e} is rounding): times of "
                "different results are not compared. Please report this with the shape"
            )
    return max(apart)
