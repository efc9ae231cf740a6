"""Involution on JAX: sums over shifted views, with a gradient written by hand for each argument."""

import functools
import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from involbench.ops import shifted_views
from involbench.ops.geometry import Geometry

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
