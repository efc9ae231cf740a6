"""Benchmarks on JAX: patches, compiled calls, waiting, device memory."""

from typing import Any

import jax
import jax.numpy as jnp

from involbench.bench.call import Call, Forward

DATA_FORMAT = "channels_last"
PATCHES = "jax.lax.conv_general_dilated_patches, multiply, sum"


def patches(inputs: jax.Array, kernels: jax.Array, size: int, groups: int) -> jax.Array:
    """As `involbench.bench.tensorflow.patches`."""
    batch, height, width, channels = inputs.shape
    # JAX makes patches by a convolution, which on GPUs would round to fewer bits by default.
    patches = jax.lax.conv_general_dilated_patches(
        inputs,
        (size, size),
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )
    each = (batch, height, width, groups, channels // groups, size * size)
    summed = jnp.sum(patches.reshape(each) * kernels[..., None, :], axis=-1)
    return summed.reshape(inputs.shape)


def forward(function: Forward, arguments: tuple[Any, Any]) -> Call:
    """As `involbench.bench.tensorflow.forward`."""
    return Call(jax.jit(lambda *tensors: [function(*tensors)]), arguments)


def with_gradients(function: Forward, arguments: tuple[Any, Any], upstream: Any) -> Call:
    """As `involbench.bench.tensorflow.with_gradients`."""

    def run(first: jax.Array, second: jax.Array, upstream: jax.Array) -> list[jax.Array]:
        result, pull_back = jax.vjp(function, first, second)
        return [result, *pull_back(upstream)]

    return Call(jax.jit(run), (*arguments, upstream))


def wait(results: list[Any]) -> None:
    """Return when the results are there."""
    jax.block_until_ready(results)


def device_peak_bytes(call: Call) -> int:
    """Temporaries and results of the compiled program, as its compiler counts them.

    JAX's own peak counter cannot be set back, so that it would tell of the largest form only.
    """
    compiled: Any = call.function
    program = compiled.lower(*call.arguments).compile().memory_analysis()
    return program.temp_size_in_bytes + program.output_size_in_bytes
