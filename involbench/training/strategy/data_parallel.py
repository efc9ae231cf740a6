"""Training on several devices with JAX: `keras.distribution.DataParallel`.

All devices run one program, which computes what it would on one device. Where a batch is divided
among them, the compiler adds the communication.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
from numpy.typing import NDArray

from involbench.training.prefetch import Batches
from involbench.training.strategy import SingleDevice


class DataParallelModel(keras.Model):
    """A functional model that takes batches in two pieces: see `_Pieces`."""

    def train_step(self, state: Any, data: Any) -> Any:
        return super().train_step(state, _joined(data))

    def test_step(self, state: Any, data: Any) -> Any:
        return super().test_step(state, _joined(data))


class DataParallel(SingleDevice):
    """All devices compute every step, each with its part of the batch.

    Args:
        devices: Their names in Keras.
    """

    model_class = DataParallelModel

    def __init__(self, devices: Sequence[str]) -> None:
        self.count = len(devices)
        self._distribution = _Distribution(devices=list(devices))

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self._distribution.scope()
        return scope

    def inputs(self, batches: Batches) -> Any:
        return _Pieces(batches, self.count)


class _Distribution(keras.distribution.DataParallel):
    """Data parallelism in which every device has all of an array that cannot be divided."""

    def get_data_layout(self, data_shape: tuple[int, ...]) -> Any:
        divided = super().get_data_layout(data_shape)
        if data_shape[0] and data_shape[0] % self.device_mesh.devices.size == 0:
            return divided
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


class _Pieces(keras.utils.PyDataset):
    """Batches in two pieces: the images that divide among the devices, and the remaining ones.

    Keras uses one layout for all batches of an epoch. A smaller last batch may divide or not, so
    its pieces must have the same layouts as those of the other batches.
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
