"""The operator and other forms of it at one shape, timed in alternation."""

import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import psutil

from involbench.benchmark.timing import (
    BenchmarkCase,
    Forward,
    backend_tools,
    make_copy,
    this_machine,
)
from involbench.errors import InvolbenchError, UsageError
from involbench.ops import involution
from involbench.results.benchmarks import PARTS, Form, FormTimes, OperatorShape, OperatorTimes, Part
from involbench.training.provenance import gpu_names


def make_calls(shape: OperatorShape) -> dict[Form, dict[Part, BenchmarkCase]]:
    """Every form at a shape, forward alone and with gradients; nothing is compiled yet.

    Involution and patches get the same images, kernels (standard normal) and upstream gradient;
    the convolutions get the same images and as many filters as channels. `unfold` is there where
    PyTorch is installed, is not the backend, and can use the backend's kind of device.
    """
    tools = backend_tools()
    rng = np.random.default_rng(0)
    images = _image_shape(shape, tools.DATA_FORMAT)
    kernels = _kernels_shape(shape, tools.DATA_FORMAT)
    size, channels = shape.kernel_size, shape.channels
    inputs, upstream, per_pixel, depthwise, full = (
        keras.ops.convert_to_tensor(rng.standard_normal(each, np.float32))
        for each in (images, images, kernels, (size, size, channels, 1), (3, 3, channels, channels))
    )
    applied = {
        "involution": per_pixel,
        "patches": per_pixel,
        "depthwise": depthwise,
        "conv3x3": full,
    }
    calls = {
        form: _parts(tools, function, (inputs, applied[form]), upstream)
        for form, function in _functions(shape).items()
    }
    if _has_unfold():
        calls["unfold"] = _unfold(shape, inputs, per_pixel, upstream)
    return calls


def unfold_name() -> str:
    """What the form `unfold` is."""
    return f"{backend_tools('torch').PATCHES}, PyTorch {version('torch')}, channels first"


def _functions(shape: OperatorShape) -> dict[Form, Forward]:
    tools = backend_tools()
    size, groups, layout = shape.kernel_size, shape.groups, tools.DATA_FORMAT

    def ours(x: Any, h: Any) -> Any:
        return involution(x, h, size, groups=groups, data_format=layout)

    def theirs(x: Any, h: Any) -> Any:
        return tools.patches(x, h, size, groups)

    def depthwise(x: Any, w: Any) -> Any:
        return keras.ops.depthwise_conv(x, w, padding="same", data_format=layout)

    def convolution(x: Any, w: Any) -> Any:
        return keras.ops.conv(x, w, padding="same", data_format=layout)

    return {
        "involution": ours,
        "patches": theirs,
        "depthwise": depthwise,
        "conv3x3": convolution,
    }


def _parts(
    tools: Any, function: Forward, both: tuple[Any, Any], upstream: Any
) -> dict[Part, BenchmarkCase]:
    return {
        "forward": tools.forward(function, both),
        "forward_and_gradients": tools.with_gradients(function, both, upstream),
    }


def _has_unfold() -> bool:
    """PyTorch is installed beside another backend, and has that one's device."""
    if keras.backend.backend() == "torch" or not find_spec("torch"):
        return False
    import torch

    return not gpu_names() or torch.cuda.is_available()


def _unfold(
    shape: OperatorShape, inputs: Any, kernels: Any, upstream: Any
) -> dict[Part, BenchmarkCase]:
    """PyTorch's way to write it, on the same numbers, channels first, as it is published."""
    tools = backend_tools("torch")
    x, h, upstream = (
        tools.tensor(np.moveaxis(keras.ops.convert_to_numpy(array), (1, 2), (-2, -1)))
        for array in (inputs, kernels, upstream)
    )

    def unfold(x: Any, h: Any) -> Any:
        return tools.patches(x, h, shape.kernel_size, shape.groups)

    return {
        part: replace(call, tools=tools)
        for part, call in _parts(tools, unfold, (x, h), upstream).items()
    }


def _image_shape(shape: OperatorShape, data_format: str) -> tuple[int, ...]:
    if data_format == "channels_first":
        return shape.batch, shape.channels, shape.height, shape.width
    return shape.batch, shape.height, shape.width, shape.channels


def _kernels_shape(shape: OperatorShape, data_format: str) -> tuple[int, ...]:
    taps = shape.kernel_size**2
    if data_format == "channels_first":
        return shape.batch, shape.groups, taps, shape.height, shape.width
    return shape.batch, shape.height, shape.width, shape.groups, taps


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


def seconds(call: BenchmarkCase) -> float:
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
    calls: dict[Form, dict[Part, BenchmarkCase]], repeats: int, progress: Callable[[int, int], None]
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


def _difference(calls: dict[Form, dict[Part, BenchmarkCase]]) -> float:
    """Between our results and those of every other way to write an involution; the largest."""
    others = (form for form in ("patches", "unfold") if form in calls)
    return max(_difference_from(form, calls) for form in others)


def _difference_from(form: Form, calls: dict[Form, dict[Part, BenchmarkCase]]) -> float:
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
