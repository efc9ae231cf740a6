"""Involution and its gradients as slow loops in float64, written from the definition.

Arrays are channels-last; `padding="keras_io"` is TensorFlow's SAME.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One involution: the shape of its inputs and its arguments."""

    shape: tuple[int, int, int, int]
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    layout: str = "contiguous"
    padding: str = "same"

    @property
    def out(self):
        sizes = zip(self.shape[1:3], self.strides, strict=True)
        return tuple(math.ceil(size / stride) for size, stride in sizes)

    def first(self, axis):
        """Where the first tap of the first output lies, along rows (0) or columns (1)."""
        reach = self.dilation[axis] * (self.kernel_size[axis] - 1)
        if self.padding == "same":
            return -(reach // 2)
        needed = (self.out[axis] - 1) * self.strides[axis] + reach + 1
        return -(max(needed - self.shape[1 + axis], 0) // 2)

    def group(self, channel):
        if self.layout == "contiguous":
            return channel // (self.shape[3] // self.groups)
        return channel % self.groups

    def products(self):
        """Every product in the sum: the index of y, of the kernel and of x."""
        batch, height, width, channels = self.shape
        top, left = self.first(0), self.first(1)
        for b, h, w, c in np.ndindex(batch, *self.out, channels):
            for i, j in np.ndindex(*self.kernel_size):
                row = self.strides[0] * h + self.dilation[0] * i + top
                column = self.strides[1] * w + self.dilation[1] * j + left
                if 0 <= row < height and 0 <= column < width:
                    tap = i * self.kernel_size[1] + j
                    yield (b, h, w, c), (b, h, w, self.group(c), tap), (b, row, column, c)


def involution(case, x, kernels):
    """y, (B, H', W', C)."""
    y = np.zeros((case.shape[0], *case.out, case.shape[3]))
    for at_y, at_kernel, at_x in case.products():
        y[at_y] += kernels[at_kernel] * x[at_x]
    return y


def gradients(case, x, kernels, dy):
    """dx and dkernels for the upstream gradient dy."""
    dx, dkernels = np.zeros_like(x), np.zeros_like(kernels)
    for at_y, at_kernel, at_x in case.products():
        dx[at_x] += dy[at_y] * kernels[at_kernel]
        dkernels[at_kernel] += dy[at_y] * x[at_x]
    return dx, dkernels
