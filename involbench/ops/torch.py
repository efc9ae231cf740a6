"""Involution on PyTorch: compiled loops on the CPU, sums over shifted views elsewhere.

Both come with a gradient by hand for each argument.
"""

from typing import Any

import torch

from involbench.ops import cpu
from involbench.ops import shifted_views as taps
from involbench.ops.geometry import Geometry
from involbench.ops.plain import plain_operations_chosen


def involution(inputs: torch.Tensor, kernels: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """See `involbench.ops.involution`."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    on_cpu = inputs.device.type == kernels.device.type == "cpu"
    if on_cpu and not (traced or plain_operations_chosen()) and cpu.available():
        return cpu.adapted(_OnArrays.apply, inputs, kernels, geometry)
    return _AsOperations.apply(inputs, kernels, geometry)


class _OnArrays(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, kernels: torch.Tensor, geometry: Geometry
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, kernels)
        ctx.geometry = geometry
        return torch.from_numpy(cpu.forward(_array(inputs), _array(kernels), geometry))

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, kernels = ctx.saved_tensors
        dy = _array(upstream)
        dx = dkernels = None
        if ctx.needs_input_grad[0]:
            dx = cpu.inputs_gradient(inputs.shape, _array(kernels), dy, ctx.geometry)
            dx = torch.from_numpy(dx)
        if ctx.needs_input_grad[1]:
            dkernels = torch.from_numpy(cpu.kernels_gradient(_array(inputs), dy, ctx.geometry))
        return dx, dkernels, None


class _AsOperations(torch.autograd.Function):
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


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().contiguous().numpy()
