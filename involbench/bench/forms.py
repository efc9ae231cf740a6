"""The forms that a benchmark of the operator compares, as calls on the same random numbers."""

from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np

from involbench.bench.call import Call, Forward, backend_tools
from involbench.ops import involution
from involbench.results.benchmark import Form, OperatorShape, Part
from involbench.training.device import gpu_names


def make_calls(shape: OperatorShape) -> dict[Form, dict[Part, Call]]:
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


def _parts(tools: Any, function: Forward, both: tuple[Any, Any], upstream: Any) -> dict[Part, Call]:
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


def _unfold(shape: OperatorShape, inputs: Any, kernels: Any, upstream: Any) -> dict[Part, Call]:
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
