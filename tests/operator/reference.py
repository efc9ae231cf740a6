"""Involution and its gradients as slow loops in float64, written from the definition."""

import numpy as np


def taps(shape, kernel_size, strides, groups, layout, out_shape):
    """Every product in the sum: the index of y, of the kernel and of x."""
    batch, height, width, channels = shape
    for b, h, w, c in np.ndindex(batch, *out_shape, channels):
        group = c // (channels // groups) if layout == "contiguous" else c % groups
        for i, j in np.ndindex(kernel_size, kernel_size):
            row = strides * h + i - kernel_size // 2
            column = strides * w + j - kernel_size // 2
            if 0 <= row < height and 0 <= column < width:
                yield (b, h, w, c), (b, h, w, group, i * kernel_size + j), (b, row, column, c)


def involution(x, kernels, kernel_size, strides, groups, layout):
    """y, (B, H', W', C)."""
    out_shape = kernels.shape[1:3]
    y = np.zeros((x.shape[0], *out_shape, x.shape[-1]))
    for at_y, at_kernel, at_x in taps(x.shape, kernel_size, strides, groups, layout, out_shape):
        y[at_y] += kernels[at_kernel] * x[at_x]
    return y


def gradients(x, kernels, dy, kernel_size, strides, groups, layout):
    """dx and dkernels for the upstream gradient dy."""
    dx, dkernels = np.zeros_like(x), np.zeros_like(kernels)
    shape = kernels.shape[1:3]
    for at_y, at_kernel, at_x in taps(x.shape, kernel_size, strides, groups, layout, shape):
        dx[at_x] += dy[at_y] * kernels[at_kernel]
        dkernels[at_kernel] += dy[at_y] * x[at_x]
    return dx, dkernels
