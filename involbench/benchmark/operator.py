"""Involution and other implementations at one shape, timed in alternation."""

from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import psutil

from involbench.benchmark.backends import Backend, BenchmarkCase, Forward, Torch, backend_in_use
from involbench.benchmark.measurement import make_copy, peak_method, seconds, this_machine
from involbench.errors import InvolbenchError, UsageError
from involbench.layers import Involution2D
from involbench.ops import involution
from involbench.ops.fused import obstacle
from involbench.ops.geometry import make_geometry
from involbench.results.benchmarks import (
    PARTS,
    Implementation,
    ImplementationTimes,
    OperatorMemory,
    OperatorShape,
    OperatorTimes,
    Part,
)
from involbench.training.provenance import gpu_names


def make_calls(shape: OperatorShape) -> dict[Implementation, dict[Part, BenchmarkCase]]:
    """Every implementation at a shape, forward alone and with gradients, not yet compiled.

    Involution and patches get the same images, kernels (standard normal) and upstream gradient.
    The convolutions get the same images, and as many filters as channels. `unfold` is included
    where PyTorch is installed, is not the backend, and can use the same kind of device.
    """
    backend = backend_in_use()
    rng = np.random.default_rng(0)
    size, channels = shape.kernel_size, shape.channels
    geometry = make_geometry(size, groups=shape.groups, data_format=backend.data_format)
    images = shape.batch, shape.height, shape.width, channels
    if not geometry.channels_last:
        images = shape.batch, channels, shape.height, shape.width
    kernels = geometry.kernels_shape(images)
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
        form: _cases_by_part(backend, function, (inputs, applied[form]), upstream)
        for form, function in _functions(shape).items()
    }
    if _has_unfold():
        calls["unfold"] = _unfold(shape, inputs, per_pixel, upstream)
    calls["layer"] = layer_cases(_layer(shape, fused=False), inputs, upstream)
    if obstacle(inputs) is None:
        calls["fused_layer"] = layer_cases(_layer(shape, fused=True), inputs, upstream)
    return calls


def _layer(shape: OperatorShape, fused: bool) -> Involution2D:
    return Involution2D(
        shape.kernel_size,
        groups=shape.groups,
        reduce_filters=shape.reduced,
        data_format=backend_in_use().data_format,
        kernel_initializer=keras.initializers.GlorotUniform(seed=0),
        fused=fused,
    )


def layer_cases(layer: keras.Layer, inputs: Any, upstream: Any) -> dict[Part, BenchmarkCase]:
    """Calls of a layer as in training, with its gradients by the images and all weights."""
    layer.build(tuple(inputs.shape))
    fixed = [variable.value for variable in layer.non_trainable_variables]
    mode = {"training": True} if isinstance(layer, Involution2D) else {}

    def call(x: Any, *weights: Any) -> Any:
        return layer.stateless_call(list(weights), fixed, x, **mode)[0]

    weights = (variable.value for variable in layer.trainable_variables)
    return _cases_by_part(backend_in_use(), call, (inputs, *weights), upstream)


def _functions(shape: OperatorShape) -> dict[Implementation, Forward]:
    backend = backend_in_use()
    size, groups, layout = shape.kernel_size, shape.groups, backend.data_format

    padded = {"padding": "same", "data_format": layout}
    return {
        "involution": lambda x, h: involution(x, h, size, groups=groups, data_format=layout),
        "patches": lambda x, h: backend.patches(x, h, size, groups),
        "depthwise": lambda x, w: keras.ops.depthwise_conv(x, w, **padded),
        "conv3x3": lambda x, w: keras.ops.conv(x, w, **padded),
    }


def _cases_by_part(
    backend: Backend, function: Forward, tensors: tuple[Any, ...], upstream: Any
) -> dict[Part, BenchmarkCase]:
    return {
        "forward": backend.forward(function, tensors),
        "forward_and_gradients": backend.with_gradients(function, tensors, upstream),
    }


def _has_unfold() -> bool:
    """Whether PyTorch is installed beside another backend, and can use the same device."""
    if keras.backend.backend() == "torch" or not find_spec("torch"):
        return False
    import torch

    return not gpu_names() or torch.cuda.is_available()


def _unfold(
    shape: OperatorShape, inputs: Any, kernels: Any, upstream: Any
) -> dict[Part, BenchmarkCase]:
    """Involution in PyTorch as it is published, channels first, for the same values."""
    backend = Torch()
    x, h, upstream = (
        backend.tensor(np.moveaxis(keras.ops.convert_to_numpy(array), (1, 2), (-2, -1)))
        for array in (inputs, kernels, upstream)
    )

    size, groups = shape.kernel_size, shape.groups
    return _cases_by_part(
        backend, lambda x, h: backend.patches(x, h, size, groups), (x, h), upstream
    )


_TOLERANCE = 1e-4
_SMALL = OperatorShape(batch=1, height=5, width=9, channels=2, kernel_size=3, groups=1)
_PATCHES_COPIES = 6
"""Copies of the patches in memory: with gradients, slightly more than five were measured."""


def time_operator(
    shape: OperatorShape, repeats: int, progress: Callable[[int, int], None]
) -> OperatorTimes:
    """Time every implementation at one shape, in alternation, `repeats` times.

    Time only one shape in a process: code compiled for another shape would be reused.

    Raises:
        UsageError: The shape does not fit into memory.
        InvolbenchError: The results of the operator differ from those of the patches.
    """
    require_memory(shape)
    for parts in make_calls(_SMALL).values():  # Initializes the backend and its compiler.
        for part in PARTS:
            seconds(parts[part])
    calls = make_calls(shape)
    first = {form: seconds(parts["forward_and_gradients"]) for form, parts in calls.items()}
    pairs: list[tuple[Implementation, Implementation]] = [
        *(("involution", "patches"), ("involution", "unfold"), ("fused_layer", "layer"))
    ]
    difference = max(
        _difference(form, other, calls) for form, other in pairs if form in calls and other in calls
    )
    taken, copies = _alternate(calls, repeats, progress)
    backend = backend_in_use()
    return OperatorTimes(
        shape=shape,
        data_format=backend.data_format,
        patches=backend.patches_name,
        unfold=f"{Torch.patches_name}, PyTorch {version('torch')}, channels first"
        if "unfold" in calls
        else None,
        forms={
            form: ImplementationTimes(
                first_call_seconds=first[form],
                seconds={part: tuple(taken[form, part]) for part in PARTS},
            )
            for form in calls
        },
        copy_bytes_per_second=tuple(copies),
        largest_difference=difference,
        machine=this_machine(),
    )


def measure_memory(shape: OperatorShape) -> OperatorMemory:
    """The peak memory of each implementation beyond its arguments, with its results.

    On the CPU, this is resident memory of the process, which must be started such that freed memory
    goes back to the system, as `involbench.runner.benchmarks` does. Every call is made once before,
    so that compiling does not count. Memory left by earlier calls can hide a few hundred KiB.

    Raises:
        UsageError: The shape does not fit into memory.
    """
    require_memory(shape)
    peak, method = peak_method()
    peaks = {
        form: {part: peak(calls[part]) for part in PARTS}
        for form, calls in make_calls(shape).items()
    }
    return OperatorMemory(peak_bytes=peaks, method=method)


def require_memory(shape: OperatorShape) -> None:
    """Check that all implementations at a shape fit into main memory, if they run on the CPU.

    Raises:
        UsageError: They do not.
    """
    needed = _PATCHES_COPIES * max(shape.patches_bytes, shape.weights_bytes("conv3x3"))
    free = psutil.virtual_memory().available
    if needed > free and not gpu_names():
        raise UsageError(
            f"--shape {shape}: the implementations to compare with need about "
            f"{needed / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are free; use a smaller shape"
        )


def _alternate(
    calls: dict[Implementation, dict[Part, BenchmarkCase]],
    repeats: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[tuple[Implementation, Part], list[float]], list[float]]:
    """Seconds of every call and bytes per second of a copy, one value for each repeat."""
    copy = make_copy()
    order = [(form, part) for part in PARTS for form in calls]
    taken: dict[tuple[Implementation, Part], list[float]] = {key: [] for key in order}
    copies = []
    for form, part in order:  # The first call does more than the others.
        seconds(calls[form][part])
    for repeat in range(repeats):
        progress(repeat, repeats)
        # The order alternates, since the call before decides what is in the caches.
        for form, part in order if repeat % 2 else reversed(order):
            taken[form, part].append(seconds(calls[form][part]))
        copies.append(copy())
    return taken, copies


def _difference(
    form: Implementation,
    other: Implementation,
    calls: dict[Implementation, dict[Part, BenchmarkCase]],
) -> float:
    """The largest difference between two implementations of the same."""
    results, expected = (
        [array for part in PARTS for array in calls[name][part].arrays()] for name in (form, other)
    )
    differences = [
        float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))
        for ours, theirs in zip(results, expected, strict=True)
    ]
    names = ["the result", "the result beside gradients", "the gradient by the images"]
    names += ["a gradient by the kernels or weights"] * (len(differences) - len(names))
    for name, difference in zip(names, differences, strict=True):
        if not difference <= _TOLERANCE:
            raise InvolbenchError(
                f"{name} of {form} differs from that of {other} by {difference:.1e} of its "
                f"largest value, more than {_TOLERANCE:.0e} for rounding, so times cannot be "
                "compared; please report this with the shape"
            )
    return max(differences)
