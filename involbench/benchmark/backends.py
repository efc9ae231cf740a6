"""What benchmarks need of each backend: published arithmetic, compiled calls, waiting, memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np

from involbench.training.provenance import gpu_names

Forward = Callable[..., Any]
"""Computes a result from images and kernels, or from images and weights."""


@dataclass(frozen=True)
class BenchmarkCase:
    """A function, compiled where the backend compiles, and its arguments."""

    function: Callable[..., list[Any]]
    arguments: tuple[Any, ...]
    backend: "Backend" = field(default_factory=lambda: backend_in_use())

    def __call__(self) -> list[Any]:
        """Compute the results, and wait until they are ready."""
        results = self.function(*self.arguments)
        self.backend.wait(results)
        return results

    def arrays(self) -> list[np.ndarray]:
        """Compute the results as arrays; images and kernels channels last."""
        arrays = [self.backend.to_numpy(result) for result in self()]
        if self.backend.data_format == "channels_last":
            return arrays
        return [np.moveaxis(a, (-2, -1), (1, 2)) if a.ndim > 2 else a for a in arrays]

    def device_peak_bytes(self) -> int:
        """The peak GPU memory of a call, beyond what is allocated before."""
        return self.backend.device_peak_bytes(self)


class Backend(ABC):
    """One backend of Keras."""

    data_format: Literal["channels_last", "channels_first"] = "channels_last"
    patches_name: str
    """How `patches` computes, in words."""

    @abstractmethod
    def patches(self, inputs: Any, kernels: Any, size: int, groups: int) -> Any:
        """Involution as it is published for the backend, for contiguous groups, of `inputs`' shape.

        Inputs (B, H, W, C) and kernels (B, H, W, groups, size**2), or both channels first.
        """

    @abstractmethod
    def forward(self, function: Forward, arguments: tuple[Any, ...]) -> BenchmarkCase:
        """A call of `function`, which computes the result."""

    @abstractmethod
    def with_gradients(
        self, function: Forward, arguments: tuple[Any, ...], upstream: Any
    ) -> BenchmarkCase:
        """A call that computes the result and its gradients by all arguments."""

    @abstractmethod
    def wait(self, results: list[Any]) -> None:
        """Return when the results are ready."""

    @abstractmethod
    def device_peak_bytes(self, call: BenchmarkCase) -> int:
        """The peak memory of the first GPU in a call, beyond what is allocated before."""

    def to_numpy(self, tensor: Any) -> np.ndarray:
        """The values, in main memory."""
        return np.asarray(tensor)


class _TensorFlow(Backend):
    patches_name = "tf.image.extract_patches, multiply, sum, as the keras.io example does"

    def __init__(self) -> None:
        import tensorflow as tf

        self.tf = tf

    def patches(self, inputs: Any, kernels: Any, size: int, groups: int) -> Any:
        tf = self.tf
        batch, (height, width, channels) = tf.shape(inputs)[0], inputs.shape[1:]
        window, ones = [1, size, size, 1], [1, 1, 1, 1]
        patches = tf.image.extract_patches(inputs, window, ones, ones, "SAME")
        each = (batch, height, width, size * size, groups, channels // groups)
        kernels = tf.expand_dims(tf.transpose(kernels, (0, 1, 2, 4, 3)), -1)
        summed = tf.reduce_sum(kernels * tf.reshape(patches, each), axis=3)
        return tf.reshape(summed, (batch, height, width, channels))

    def forward(self, function: Forward, arguments: tuple[Any, ...]) -> BenchmarkCase:
        return self._traced(lambda *tensors: [function(*tensors)], arguments)

    def with_gradients(
        self, function: Forward, arguments: tuple[Any, ...], upstream: Any
    ) -> BenchmarkCase:
        def run(*tensors: Any) -> list[Any]:
            *given, upstream = tensors
            with self.tf.GradientTape() as tape:
                tape.watch(given)
                result = function(*given)
            return [result, *tape.gradient(result, given, output_gradients=upstream)]

        return self._traced(run, (*arguments, upstream))

    def _traced(
        self, function: Callable[..., list[Any]], arguments: tuple[Any, ...]
    ) -> BenchmarkCase:
        signature = [self.tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in arguments]
        return BenchmarkCase(
            self.tf.function(function, signature, autograph=False), arguments, self
        )

    def wait(self, results: list[Any]) -> None:
        self.tf.test.experimental.sync_devices()

    def device_peak_bytes(self, call: BenchmarkCase) -> int:
        call()
        memory = self.tf.config.experimental
        before = memory.get_memory_info("GPU:0")["current"]
        memory.reset_memory_stats("GPU:0")
        call()
        return memory.get_memory_info("GPU:0")["peak"] - before


class _Jax(Backend):
    # jax.lax.conv_general_dilated_patches would be shorter, but on CPU its gradient takes about
    # K*K times the memory of the patches.
    patches_name = "a gather of every neighbourhood, multiply, sum"

    def __init__(self) -> None:
        import jax

        self.jax = jax

    def patches(self, inputs: Any, kernels: Any, size: int, groups: int) -> Any:
        jnp = self.jax.numpy
        batch, height, width, channels = inputs.shape
        padding = (size // 2, size // 2)
        padded = jnp.pad(inputs, ((0, 0), padding, padding, (0, 0)))
        rows, columns = (jnp.arange(n)[:, None] + jnp.arange(size) for n in (height, width))
        patches = jnp.moveaxis(padded[:, rows][:, :, :, columns], 2, 3)
        each = (batch, height, width, size * size, groups, channels // groups)
        summed = jnp.sum(patches.reshape(each) * jnp.moveaxis(kernels, 4, 3)[..., None], axis=3)
        return summed.reshape(inputs.shape)

    def forward(self, function: Forward, arguments: tuple[Any, ...]) -> BenchmarkCase:
        compiled = self.jax.jit(lambda *tensors: [function(*tensors)])
        return BenchmarkCase(compiled, arguments, self)

    def with_gradients(
        self, function: Forward, arguments: tuple[Any, ...], upstream: Any
    ) -> BenchmarkCase:
        def run(*tensors: Any) -> list[Any]:
            *given, upstream = tensors
            result, pull_back = self.jax.vjp(function, *given)
            return [result, *pull_back(upstream)]

        return BenchmarkCase(self.jax.jit(run), (*arguments, upstream), self)

    def wait(self, results: list[Any]) -> None:
        self.jax.block_until_ready(results)

    def device_peak_bytes(self, call: BenchmarkCase) -> int:
        """Temporaries and results of the compiled program, as its compiler counts them.

        The peak counter of JAX cannot be reset, so it would only show the largest case.
        """
        compiled: Any = call.function
        program = compiled.lower(*call.arguments).compile().memory_analysis()
        return program.temp_size_in_bytes + program.output_size_in_bytes


class Torch(Backend):
    """PyTorch, which benchmarks may also use beside another backend."""

    data_format = "channels_first"
    patches_name = (
        "torch.nn.functional.unfold, multiply, sum, as in the authors' involution_naive.py"
    )

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def patches(self, inputs: Any, kernels: Any, size: int, groups: int) -> Any:
        batch, channels, height, width = inputs.shape
        patches = self.torch.nn.functional.unfold(inputs, size, padding=size // 2)
        patches = patches.view(batch, groups, channels // groups, size * size, height, width)
        return (kernels.unsqueeze(2) * patches).sum(dim=3).view(inputs.shape)

    def tensor(self, array: np.ndarray) -> Any:
        """A tensor on the kind of device that the backend of Keras uses."""
        tensor = self.torch.from_numpy(np.ascontiguousarray(array))
        return tensor.to("cuda" if gpu_names() else "cpu")

    def to_numpy(self, tensor: Any) -> np.ndarray:
        return tensor.cpu().numpy()

    def forward(self, function: Forward, arguments: tuple[Any, ...]) -> BenchmarkCase:
        def run(*tensors: Any) -> list[Any]:
            with self.torch.no_grad():
                return [function(*tensors)]

        return BenchmarkCase(run, arguments, self)

    def with_gradients(
        self, function: Forward, arguments: tuple[Any, ...], upstream: Any
    ) -> BenchmarkCase:
        def run(*tensors: Any) -> list[Any]:
            *given, upstream = tensors
            given = [tensor.detach().requires_grad_(True) for tensor in given]
            result = function(*given)
            return [result.detach(), *self.torch.autograd.grad(result, given, upstream)]

        return BenchmarkCase(run, (*arguments, upstream), self)

    def wait(self, results: list[Any]) -> None:
        if self.torch.cuda.is_available():
            self.torch.cuda.synchronize()

    def device_peak_bytes(self, call: BenchmarkCase) -> int:
        call()
        cuda = self.torch.cuda
        before = cuda.memory_allocated()
        cuda.reset_peak_memory_stats()
        call()
        return cuda.max_memory_allocated() - before


def backend_in_use() -> Backend:
    """The backend of Keras."""
    classes: dict[str, Callable[[], Backend]] = {
        "tensorflow": _TensorFlow,
        "jax": _Jax,
        "torch": Torch,
    }
    return classes[keras.backend.backend()]()
