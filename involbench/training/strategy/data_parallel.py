"""Several devices for one training, on JAX: `keras.distribution.DataParallel`.

One program runs on all devices and computes what it would on one: where a batch is divided among
them, the compiler adds what they must tell each other.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
from numpy.typing import NDArray

from involbench.training.prefetch import Batches
from involbench.training.strategy.single import OneDevice


class ShardedModel(keras.Model):
    """A functional model whose batches come in two pieces: see `_Pieces`."""

    def train_step(self, state: Any, data: Any) -> Any:
        return super().train_step(state, _joined(data))

    def test_step(self, state: Any, data: Any) -> Any:
        return super().test_step(state, _joined(data))


class Sharded(OneDevice):
    """Every step is done by all devices, each with its part of the batch.

    Args:
        devices: Their names for Keras.
    """

    model_class = ShardedModel

    def __init__(self, devices: Sequence[str]) -> None:
        self.count = len(devices)
        self._distribution = _Divided(devices=list(devices))

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self._distribution.scope()
        return scope

    def feed(self, batches: Batches) -> Any:
        return _Pieces(batches, self.count)


class _Divided(keras.distribution.DataParallel):
    """Data parallelism that gives to every device whole what cannot be divided."""

    def get_data_layout(self, data_shape: tuple[int, ...]) -> Any:
        divided = super().get_data_layout(data_shape)
        if data_shape[0] and data_shape[0] % self.device_mesh.devices.size == 0:
            return divided
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


class _Pieces(keras.utils.PyDataset):
    """Batches in two pieces: what divides among the devices, and the few images that are left.

    Keras takes one layout for all batches of an epoch, so that a smaller last batch, which may
    divide or not, must be made of pieces that are laid out like those of the others.
    """

    def __init__(self, batches: Batches, devices: int) -> None:
        super().__init__()
        self._batches, self._devices = batches, devices

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        images, labels = self._batches[index]
        return self._split(images), self._split(labels)

    def _split(self, array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        even = len(array) // self._devices * self._devices
        return array[:even], array[even:]


def _joined(data: Any) -> Any:
    images, labels = data
    return keras.ops.concatenate(images), keras.ops.concatenate(labels)
