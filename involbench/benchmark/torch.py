"""Benchmarks on PyTorch: unfold, eager calls, waiting, device memory."""

from typing import Any

import numpy as np
import torch

from involbench.benchmark.timing import BenchmarkCase, Forward
from involbench.training.provenance import gpu_names

DATA_FORMAT = "channels_first"
PATCHES = "torch.nn.functional.unfold, multiply, sum, as in the authors' involution_naive.py"


def patches(inputs: torch.Tensor, kernels: torch.Tensor, size: int, groups: int) -> torch.Tensor:
    """The arithmetic of the authors' `involution_naive.py`, for contiguous groups.

    Args:
        inputs: (B, C, H, W).
        kernels: (B, groups, size**2, H, W).
        size: Height and width of the kernels.
        groups: Divides C.

    Returns:
        (B, C, H, W).
    """
    batch, channels, height, width = inputs.shape
    patches = torch.nn.functional.unfold(inputs, size, padding=size // 2)
    patches = patches.view(batch, groups, channels // groups, size * size, height, width)
    return (kernels.unsqueeze(2) * patches).sum(dim=3).view(inputs.shape)


def tensor(array: np.ndarray) -> torch.Tensor:
    """An array where Keras' backend, which may be another one, has its own."""
    return torch.from_numpy(np.ascontiguousarray(array)).to("cuda" if gpu_names() else "cpu")


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """The numbers, in main memory."""
    return tensor.cpu().numpy()


def forward(function: Forward, arguments: tuple[Any, Any]) -> BenchmarkCase:
    """An eager call of `function`, which computes the result."""

    def run(*tensors: torch.Tensor) -> list[torch.Tensor]:
        with torch.no_grad():
            return [function(*tensors)]

    return BenchmarkCase(run, arguments)


def with_gradients(function: Forward, arguments: tuple[Any, Any], upstream: Any) -> BenchmarkCase:
    """An eager call that computes the result and its gradients by both arguments."""

    def run(first: torch.Tensor, second: torch.Tensor, upstream: torch.Tensor) -> list[Any]:
        both = [tensor.detach().requires_grad_(True) for tensor in (first, second)]
        result = function(*both)
        return [result.detach(), *torch.autograd.grad(result, both, upstream)]

    return BenchmarkCase(run, (*arguments, upstream))


def wait(results: list[Any]) -> None:
    """Return when the results are there."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_peak_bytes(call: BenchmarkCase) -> int:
    """The most memory of the GPU that a call holds beyond what is held before."""
    call()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    return torch.cuda.max_memory_allocated() - before
