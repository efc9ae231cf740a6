"""Benchmarks on JAX: patches, compiled calls, waiting, device memory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from involbench.benchmark.timing import BenchmarkCase, Forward

DATA_FORMAT = "channels_last"
# jax.lax.conv_general_dilated_patches would be shorter, but on CPU its gradient holds about K*K
# times the memory of the patches.
PATCHES = "a gather of every neighbourhood, multiply, sum"


def patches(inputs: jax.Array, kernels: jax.Array, size: int, groups: int) -> jax.Array:
    """As `involbench.benchmark.tensorflow.patches`."""
    batch, height, width, channels = inputs.shape
    padding = (size // 2, size // 2)
    padded = jnp.pad(inputs, ((0, 0), padding, padding, (0, 0)))
    rows, columns = (jnp.arange(n)[:, None] + jnp.arange(size) for n in (height, width))
    patches = jnp.moveaxis(padded[:, rows][:, :, :, columns], 2, 3)
    each = (batch, height, width, size * size, groups, channels // groups)
    summed = jnp.sum(patches.reshape(each) * jnp.moveaxis(kernels, 4, 3)[..., None], axis=3)
    return summed.reshape(inputs.shape)


def to_numpy(tensor: jax.Array) -> np.ndarray:
    """The numbers, in main memory."""
    return np.asarray(tensor)


def forward(function: Forward, arguments: tuple[Any, Any]) -> BenchmarkCase:
    """As `involbench.benchmark.tensorflow.forward`."""
    return BenchmarkCase(jax.jit(lambda *tensors: [function(*tensors)]), arguments)


def with_gradients(function: Forward, arguments: tuple[Any, Any], upstream: Any) -> BenchmarkCase:
    """As `involbench.benchmark.tensorflow.with_gradients`."""

    def run(first: jax.Array, second: jax.Array, upstream: jax.Array) -> list[jax.Array]:
        result, pull_back = jax.vjp(function, first, second)
        return [result, *pull_back(upstream)]

    return BenchmarkCase(jax.jit(run), (*arguments, upstream))


def wait(results: list[Any]) -> None:
    """Return when the results are there."""
    jax.block_until_ready(results)


def device_peak_bytes(call: BenchmarkCase) -> int:
    """Temporaries and results of the compiled program, as its compiler counts them.

    JAX's own peak counter cannot be set back, so that it would tell of the largest form only.
    """
    compiled: Any = call.function
    program = compiled.lower(*call.arguments).compile().memory_analysis()
    return program.temp_size_in_bytes + program.output_size_in_bytes
