"""Residual networks in which any operator stands where ResNet has its 3x3 convolutions.

References:
    - He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385; with the
      stride in the 3x3 convolution of a bottleneck, as torchvision has it.
    - Li et al., Involution, CVPR 2021, arXiv 2103.06255: RedNet, by the authors' code,
      https://github.com/d-li14/involution.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from involbench.operators import Operator, apply_operator, for_stages
from involbench.registry import architecture
from involbench.schema_types import KernelSize, PositiveInt, StageKernelSizes
from involbench.spec.architectures import StageOperators

Tensor = Any

BLOCKS = {
    18: (2, 2, 2, 2),
    26: (1, 2, 4, 1),
    38: (2, 3, 5, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""By depth, the blocks of each of the four stages: basic ones at 18, else bottlenecks."""
STEMS = ("imagenet", "cifar")


def _channels(arguments: Mapping[str, Any]) -> tuple[int, ...]:
    """Of the four stages."""
    return tuple(arguments["width"] * 2**stage for stage in range(4))


@architecture(any_image_size=True, channels=_channels)
def resnet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    depth: Literal[18, 26, 38, 50, 101, 152] = 50,
    operator: StageOperators = "convolution",
    kernel_size: StageKernelSizes = 3,
    stem: Literal["imagenet", "cifar"] = "imagenet",
    width: PositiveInt = 64,
) -> Any:
    """ResNet, with any operator where it has its 3x3 convolutions.

    That is in the middle of its bottlenecks, and twice in each basic block. The last normalization
    of each block starts at zero, as in RedNet, whatever the operator.

    Args:
        depth: Number of layers: basic blocks at 18, else bottlenecks.
        kernel_size: Height and width of the operator's neighbourhood, odd; or a list of four, one
            for each stage.
        stem: imagenet: 7x7 convolution and max pooling, each with stride 2; cifar: 3x3.
        width: Channels of the first stage; each doubles them.

    Returns:
        A model from images to logits (B, num_classes).

    Raises:
        ValueError: The depth or the stem is unknown, or the operator's arguments do not fit.
    """
    import keras

    from involbench.ops.geometry import check_choice

    check_choice("stem", stem, STEMS)
    inputs = keras.Input(input_shape)
    if stem == "cifar":
        x = _convolved(inputs, width, 3, 1, "stem_conv")
    else:
        x = _max_pooled(_convolved(inputs, width, 7, 2, "stem_conv"))
    return _finished(inputs, x, num_classes, depth, operator, kernel_size, width, "resnet")


@architecture(any_image_size=True)
def rednet(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    depth: Literal[26, 38, 50, 101, 152] = 50,
    kernel_size: KernelSize = 7,
    width: Annotated[PositiveInt, Field(multiple_of=32)] = 64,
    stem_kernel_size: KernelSize = 3,
) -> Any:
    """RedNet, as its authors have it: ResNet with 7x7 involutions, and one in the stem.

    16 channels share a kernel, and the reduction ratio is 4. The authors' classifier has a 3x3
    involution in its stem, their detector a 7x7 one. At 1000 classes and depth 26, 38, 50, 101 and
    152 it has 9.23, 12.39, 15.54, 25.65 and 33.98 million trainable parameters with the first;
    33.99, as published, with the second, which adds 720.

    Args:
        depth: Number of layers.
        kernel_size: Height and width of the operator's neighbourhood; odd.
        width: Channels of the first stage, a multiple of 32; each stage doubles them.
        stem_kernel_size: Height and width of the kernels of the involution in the stem; odd.

    Returns:
        A model from images to logits (B, num_classes).

    Raises:
        ValueError: The depth is unknown, or the width does not fit.
    """
    import keras

    from involbench.ops.geometry import check_choice

    if width % 32:
        raise ValueError(
            "`width` must be a multiple of 32, so that 16 channels share a kernel in the stem too. "
            f"Received: width={width}"
        )
    check_choice("depth", depth, tuple(BLOCKS)[1:])
    inputs = keras.Input(input_shape)
    x = _convolved(inputs, width // 2, 3, 2, "stem_0_conv", "stem_0_bn")
    x = apply_operator(x, "involution", width // 2, stem_kernel_size, 1, "stem_1", _presets())
    x = _activated(_normalized(x, "stem_2"), "stem_3")
    x = _max_pooled(_convolved(x, width, 3, 1, "stem_4_conv", "stem_4_bn"))
    return _finished(inputs, x, num_classes, depth, "involution", kernel_size, width, "rednet")


def _finished(
    inputs: Tensor,
    x: Tensor,
    num_classes: int,
    depth: int,
    operator: Operator | Sequence[Operator],
    kernel_size: int | Sequence[int],
    width: int,
    name: str,
) -> Any:
    """The four stages and the head, behind a stem."""
    import keras
    from keras import layers

    from involbench.ops.geometry import check_choice

    check_choice("depth", depth, tuple(BLOCKS))
    block = _basic if depth == 18 else _bottleneck
    kinds, sizes = for_stages("operator", operator, 4), for_stages("kernel_size", kernel_size, 4)
    for stage, count in enumerate(BLOCKS[depth]):
        for index in range(count):
            strides = 2 if stage > 0 and index == 0 else 1
            filters, label = width * 2**stage, f"layer{stage + 1}_{index}"
            x = block(x, kinds[stage], filters, sizes[stage], strides, label)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="head_logits")(x)
    return keras.Model(inputs, logits, name=name)


def _bottleneck(
    x: Tensor, operator: Operator, filters: int, kernel_size: int, strides: int, name: str
) -> Tensor:
    from keras import layers

    shortcut = _shortcut(x, 4 * filters, strides, name)
    y = _convolved(x, filters, 1, 1, f"{name}_conv1", f"{name}_bn1")
    y = apply_operator(y, operator, filters, kernel_size, strides, f"{name}_conv2", _presets())
    y = _activated(_normalized(y, f"{name}_bn2"), f"{name}_conv2_relu")
    y = _normalized(_convolution(y, 4 * filters, 1, 1, f"{name}_conv3"), f"{name}_bn3", zero=True)
    return _activated(layers.Add(name=f"{name}_add")([y, shortcut]), f"{name}_relu")


def _basic(
    x: Tensor, operator: Operator, filters: int, kernel_size: int, strides: int, name: str
) -> Tensor:
    from keras import layers

    shortcut = _shortcut(x, filters, strides, name)
    y = apply_operator(x, operator, filters, kernel_size, strides, f"{name}_conv1", _presets())
    y = _activated(_normalized(y, f"{name}_bn1"), f"{name}_conv1_relu")
    y = apply_operator(y, operator, filters, kernel_size, 1, f"{name}_conv2", _presets())
    y = _normalized(y, f"{name}_bn2", zero=True)
    return _activated(layers.Add(name=f"{name}_add")([y, shortcut]), f"{name}_relu")


def _shortcut(x: Tensor, filters: int, strides: int, name: str) -> Tensor:
    if strides == 1 and x.shape[-1] == filters:
        return x
    x = _convolution(x, filters, 1, strides, f"{name}_downsample_0")
    return _normalized(x, f"{name}_downsample_1")


def _convolved(
    x: Tensor, filters: int, kernel_size: int, strides: int, name: str, norm_name: str = ""
) -> Tensor:
    """Convolution, normalization and ReLU."""
    x = _convolution(x, filters, kernel_size, strides, name)
    return _activated(_normalized(x, norm_name or f"{name}_bn"), f"{name}_relu")


def _convolution(x: Tensor, filters: int, kernel_size: int, strides: int, name: str) -> Tensor:
    from involbench.layers.symmetric_padding import SymmetricConv2D

    return SymmetricConv2D(filters, kernel_size, strides=strides, name=name, **_presets())(x)


def _normalized(x: Tensor, name: str, zero: bool = False) -> Tensor:
    from keras import layers

    gamma = "zeros" if zero else "ones"
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=name
    )(x)


def _activated(x: Tensor, name: str) -> Tensor:
    from keras import layers

    return layers.ReLU(name=name)(x)


def _max_pooled(x: Tensor) -> Tensor:
    from keras import layers

    # What is pooled is never negative, so zeros around it are as good as minus infinity.
    x = layers.ZeroPadding2D(1, name="stem_pad")(x)
    return layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def _presets() -> dict[str, Any]:
    """No bias in front of a normalization, and the initial weights of the authors' code.

    Made anew for every layer: one initializer gives the same numbers each time.
    """
    import keras

    initializer = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    return {"use_bias": False, "kernel_initializer": initializer}
