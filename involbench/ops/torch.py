"""Involution on PyTorch: the sums over shifted views, with a gradient by hand for each argument."""

from typing import Any

import torch

from involbench.ops import taps
from involbench.ops.geometry import Geometry


def involution(inputs: torch.Tensor, kernels: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """See `involbench.ops.involution`."""
    return _Involution.apply(inputs, kernels, geometry)


class _Involution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, kernels: torch.Tensor, geometry: Geometry
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, kernels)
        ctx.geometry = geometry
        return taps.forward(inputs, kernels, geometry)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, kernels = ctx.saved_tensors
        dx = dkernels = None
        if ctx.needs_input_grad[0]:
            shape = tuple(inputs.shape)
            dx = taps.inputs_gradient(shape, kernels, upstream, ctx.geometry)
        if ctx.needs_input_grad[1]:
            dkernels = taps.kernels_gradient(inputs, upstream, ctx.geometry)
        return dx, dkernels, None
