"""Involution as a sum over the taps of the kernel, with any Keras backend."""

import keras
from keras import ops

GROUP_LAYOUTS = ("contiguous", "interleaved")


def involution(
    inputs: keras.KerasTensor,
    kernels: keras.KerasTensor,
    kernel_size: tuple[int, int],
    strides: int = 1,
    groups: int = 1,
    group_layout: str = "contiguous",
) -> keras.KerasTensor:
    """Multiply each pixel's neighbourhood with that pixel's own kernel, and sum over the taps.

    `y[b,h,w,c] = sum_k kernels[b,h,w,g(c),k] * x[b, s*h + ki - Kh//2, s*w + kj - Kw//2, c]`,
    with zeros outside the image (Li et al., CVPR 2021, equation 4). The sum is accumulated tap by
    tap over shifted views of the padded image; patches are never built.

    Args:
        inputs: Images, (B, H, W, C).
        kernels: One kernel for each output pixel and group, (B, H', W', groups, Kh*Kw), taps in
            row-major order; H' = ceil(H / strides).
        kernel_size: Height and width of the kernels, (Kh, Kw), both odd.
        strides: Distance between output pixels, in input pixels.
        groups: Number of channel groups that each have a kernel; divides C.
        group_layout: Which group channel c is in: `"contiguous"`, c // (C / groups), as in the
            official code, or `"interleaved"`, c mod groups, as in the keras.io example.

    Returns:
        Images, (B, H', W', C).
    """
    kernel_height, kernel_width = kernel_size
    channels = inputs.shape[-1]
    out_height, out_width = kernels.shape[1:3]
    rows, columns = (kernel_height // 2,) * 2, (kernel_width // 2,) * 2
    padded = ops.pad(inputs, ((0, 0), rows, columns, (0, 0)))
    total = None
    for row in range(kernel_height):
        for column in range(kernel_width):
            view = padded[
                :,
                row : row + strides * (out_height - 1) + 1 : strides,
                column : column + strides * (out_width - 1) + 1 : strides,
            ]
            kernel = kernels[..., row * kernel_width + column]
            term = view * _over_channels(kernel, channels, groups, group_layout)
            total = term if total is None else total + term
    return total


def _over_channels(
    kernel: keras.KerasTensor, channels: int, groups: int, group_layout: str
) -> keras.KerasTensor:
    """One tap of the kernels, (B, H', W', groups), as a factor for (B, H', W', channels)."""
    if groups in (1, channels):
        return kernel
    if group_layout == "contiguous":
        return ops.repeat(kernel, channels // groups, axis=-1)
    return ops.tile(kernel, (1, 1, 1, channels // groups))
