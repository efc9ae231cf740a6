"""Involution on JAX: sums over shifted views, with a gradient written by hand for each argument.

The fused involution calls the compiled loops for the CPU through XLA's typed FFI.
"""

import functools
import hashlib
import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from involbench.ops import cpu, jax_ffi, shifted_views
from involbench.ops.fused import stored
from involbench.ops.geometry import Geometry
from involbench.ops.involution import traced_by

# They trace a model to save it.
_EXPORTERS = ("keras.src.export", "jax._src.export", "jax.experimental.jax2tf")

# XLA on the CPU takes 40 times as long to sum so few numbers as to add them one by one.
_FEW = 8

_forward = jax.jit(shifted_views.forward, static_argnums=2)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def involution(inputs: jax.Array, kernels: jax.Array, geometry: Geometry) -> jax.Array:
    """See `involbench.ops.involution`."""
    return _forward(inputs, kernels, geometry)


def _gradients(geometry: Geometry, residuals: Any, upstream: jax.Array) -> Any:
    inputs, kernels = residuals
    return (
        _inputs_gradient(inputs.shape, kernels, upstream, geometry),
        _kernels_gradient(inputs, upstream, geometry),
    )


involution.defvjp(lambda x, h, geometry: (_forward(x, h, geometry), (x, h)), _gradients)


@partial(jax.jit, static_argnums=2)
def _kernels_gradient(inputs: jax.Array, upstream: jax.Array, geometry: Geometry) -> jax.Array:
    return shifted_views.kernels_gradient(inputs, upstream, geometry, _sum_over)


def _sum_over(array: jax.Array, axis: int) -> jax.Array:
    if array.shape[axis] > _FEW:
        return array.sum(axis)
    return functools.reduce(operator.add, jnp.moveaxis(array, axis, 0))


@partial(jax.jit, static_argnums=(0, 3))
def _inputs_gradient(
    shape: tuple[int, ...], kernels: jax.Array, upstream: jax.Array, geometry: Geometry
) -> jax.Array:
    # Each padded array is read once for each tap; padding it anew at every read costs more.
    return shifted_views.inputs_gradient(
        shape, kernels, upstream, geometry, jax.lax.optimization_barrier
    )


def fused_obstacle(inputs: jax.Array) -> str | None:
    """Why fused involutions cannot be computed here."""
    if not jax_ffi.available():
        return f"JAX {jax.__version__} is no version whose calls of compiled loops are known"
    if not cpu.available():
        return "numba is not installed or is turned off"
    if jax.default_backend() != "cpu" or jax.device_count() > 1:
        return "it computes on one CPU, and JAX has other or several devices"
    return None


def exporting() -> bool:
    """Whether this is part of a trace that will be saved."""
    return traced_by(_EXPORTERS)


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def fused_involution(
    inputs: jax.Array,
    reduced: jax.Array,
    span: jax.Array,
    bias: jax.Array,
    geometry: Geometry,
    softmax: bool,
) -> jax.Array:
    """See `involbench.ops.fused_involution`; channels last, the span (reduced, filters)."""
    result = jax.ShapeDtypeStruct(geometry.output_shape(inputs.shape), inputs.dtype)
    call = jax.ffi.ffi_call(_fused_calls(geometry, softmax)[0], result, vmap_method="sequential")
    return call(inputs, reduced, span, bias)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _fused_gradients(tensors: tuple[jax.Array, ...], geometry: Geometry, softmax: bool) -> Any:
    """The gradients by inputs, reduced features, span and bias; the upstream gradient comes last.

    Those of the second order store the kernels.
    """
    results = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in tensors[:4]]
    name = _fused_calls(geometry, softmax)[1]
    return jax.ffi.ffi_call(name, results, vmap_method="sequential")(*tensors)


def _second_gradients(geometry: Geometry, softmax: bool, tensors: Any, upstream: Any) -> Any:
    def first(*tensors: jax.Array) -> Any:
        function = partial(stored, geometry=geometry, softmax=softmax)
        return list(jax.vjp(function, *tensors[:4])[1](tensors[4]))

    return (jax.vjp(first, *tensors)[1](upstream),)


fused_involution.defvjp(
    lambda *arguments: (fused_involution(*arguments), arguments[:4]),
    lambda geometry, softmax, tensors, upstream: tuple(
        _fused_gradients((*tensors, upstream), geometry, softmax)
    ),
)
_fused_gradients.defvjp(
    lambda tensors, *options: (_fused_gradients(tensors, *options), tensors), _second_gradients
)


@functools.cache
def _fused_calls(geometry: Geometry, softmax: bool) -> tuple[str, str]:
    """The XLA calls of the result and of the gradients."""
    from involbench.ops.cpu import fused

    forward = partial(fused.forward, geometry=geometry, softmax=softmax)
    gradients = partial(fused.gradients, geometry=geometry, softmax=softmax)
    digest = hashlib.sha256(repr((geometry, softmax)).encode()).hexdigest()[:16]
    names = f"involbench_fused_{digest}", f"involbench_fused_gradients_{digest}"
    jax_ffi.register(names[0], lambda *arrays: [forward(*arrays)])
    jax_ffi.register(names[1], gradients)
    return names
