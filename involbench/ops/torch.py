"""Involution on PyTorch: compiled loops on the CPU, sums over shifted views elsewhere.

Both have a gradient written by hand for each argument.
"""

from typing import Any

import torch

from involbench.ops import cpu, shifted_views
from involbench.ops.geometry import Geometry, make_geometry
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


def fused_involution(
    inputs: torch.Tensor,
    reduced: torch.Tensor,
    span: torch.Tensor,
    bias: torch.Tensor,
    geometry: Geometry,
    softmax: bool,
) -> torch.Tensor:
    """See `involbench.ops.fused_involution`; channels last, the span (reduced, filters)."""
    rows, columns = geometry.rows, geometry.columns
    sizes = [
        *(rows.kernel_size, columns.kernel_size, rows.strides, columns.strides),
        *(rows.dilation, columns.dilation, geometry.groups),
    ]
    options = sizes, geometry.group_layout, rows.padding, softmax
    result: torch.Tensor = _fused(inputs, reduced, span, bias, *options)
    return result


def fused_obstacle(inputs: torch.Tensor) -> str | None:
    """Why fused involutions cannot be computed here."""
    if inputs.device.type != "cpu":
        return f"it computes on CPUs, and the images are on {inputs.device}"
    if not _loops_available():
        return "numba is not installed or is turned off"
    return None


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _loops_available() -> bool:
    return cpu.available()


def exporting() -> bool:
    """Whether this is part of a trace that will be saved."""
    return torch.jit.is_tracing() or torch.compiler.is_exporting()


def _geometry(sizes: list[int], group_layout: str, padding: str) -> Geometry:
    size, strides, dilation = sizes[:2], sizes[2:4], sizes[4:6]
    return make_geometry(size, strides, dilation, sizes[6], group_layout, padding, "channels_last")


@torch.library.custom_op("involbench::fused_involution", mutates_args=())  # type: ignore[untyped-decorator]
def _fused(
    inputs: torch.Tensor,
    reduced: torch.Tensor,
    span: torch.Tensor,
    bias: torch.Tensor,
    sizes: list[int],
    group_layout: str,
    padding: str,
    softmax: bool,
) -> torch.Tensor:
    from involbench.ops.cpu import fused

    x, r, w, b = map(_array, (inputs, reduced, span, bias))
    geometry = _geometry(sizes, group_layout, padding)
    return torch.from_numpy(fused.forward(x, r, w, b, geometry, softmax))


@torch.library.custom_op(  # type: ignore[untyped-decorator]
    "involbench::fused_involution_gradients", mutates_args=()
)
def _fused_gradients(
    inputs: torch.Tensor,
    reduced: torch.Tensor,
    span: torch.Tensor,
    bias: torch.Tensor,
    upstream: torch.Tensor,
    sizes: list[int],
    group_layout: str,
    padding: str,
    softmax: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    from involbench.ops.cpu import fused

    x, r, w, b, dy = map(_array, (inputs, reduced, span, bias, upstream))
    geometry = _geometry(sizes, group_layout, padding)
    gradients = fused.gradients(x, r, w, b, dy, geometry, softmax)
    dx, dreduced, dspan, dbias = map(torch.from_numpy, gradients)
    return dx, dreduced, dspan, dbias


@_fused.register_fake  # type: ignore[untyped-decorator]
def _fused_shape(inputs: torch.Tensor, *arguments: Any) -> torch.Tensor:
    geometry = _geometry(*arguments[3:6])
    return inputs.new_empty(geometry.output_shape(inputs.shape))


@_fused_gradients.register_fake  # type: ignore[untyped-decorator]
def _fused_gradients_shapes(*tensors: Any) -> tuple[torch.Tensor, ...]:
    return tuple(torch.empty_like(tensor) for tensor in tensors[:4])


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.options = inputs[4:]


def _differentiate(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    return *_fused_gradients(*ctx.saved_tensors, upstream, *ctx.options), *[None] * 4


_fused.register_autograd(_differentiate, setup_context=_save)
