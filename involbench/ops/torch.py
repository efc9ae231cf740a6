"""Involution on PyTorch: compiled loops on the CPU, sums over shifted views elsewhere.

Both have a gradient written by hand for each argument.
"""

from typing import Any

import torch

from involbench.ops import cpu, shifted_views
from involbench.ops.geometry import Geometry
from involbench.ops.involution import plain_operations_chosen


def involution(inputs: torch.Tensor, kernels: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """See `involbench.ops.involution`."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    on_cpu = inputs.device.type == kernels.device.type == "cpu"
    if on_cpu and not (traced or plain_operations_chosen()) and cpu.available():
        return cpu.adapted(_with_loops, inputs, kernels, geometry)
    return _Involution.apply(inputs, kernels, geometry, False)


def _with_loops(inputs: torch.Tensor, kernels: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    return _Involution.apply(inputs, kernels, geometry, True)


class _Involution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, kernels: torch.Tensor, geometry: Geometry, loops: bool
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, kernels)
        ctx.geometry, ctx.loops = geometry, loops
        return _compute("forward", loops, inputs, kernels, geometry)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, kernels = ctx.saved_tensors
        geometry, loops, shape = ctx.geometry, ctx.loops, tuple(inputs.shape)
        dx = dkernels = None
        if ctx.needs_input_grad[0]:
            dx = _compute("inputs_gradient", loops, shape, kernels, upstream, geometry)
        if ctx.needs_input_grad[1]:
            dkernels = _compute("kernels_gradient", loops, inputs, upstream, geometry)
        return dx, dkernels, None, None


def _compute(part: str, loops: bool, *arguments: Any) -> torch.Tensor:
    """Call a function of `involbench.ops.cpu`, or the same one of `shifted_views`."""
    if not loops:
        return getattr(shifted_views, part)(*arguments)
    arrays = (_array(each) if isinstance(each, torch.Tensor) else each for each in arguments)
    return torch.from_numpy(getattr(cpu, part)(*arrays))


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().contiguous().numpy()
