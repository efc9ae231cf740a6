"""`Run`: one trained network, or a trial that failed."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from involbench.api.find import trained_in
from involbench.errors import UsageError
from involbench.results.arrays import ImageBatch, KernelMaps, StoredPredictions, read_predictions
from involbench.results.files import user_path
from involbench.results.record import History, Parameters, RunRecord
from involbench.results.tree import StoredRun
from involbench.workers.environment import WorkerResources
from involbench.workers.local import InProcessWorker, start_worker
from involbench.workers.network_handlers import load_network, make_kernels_of, predict_given
from involbench.workers.protocol import TrainedRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Images = NDArray[np.uint8] | Sequence[str | PathLike[str]]


@dataclass(frozen=True, eq=False)
class Classified:
    """What a network predicts for N images."""

    labels: tuple[str, ...]
    """The name of the most probable class of each image."""
    class_names: tuple[str, ...]
    """In the order of the columns of `probabilities`."""
    probabilities: "NDArray[np.float64]"
    """(N, classes)."""


class Run:
    """One trained network of an experiment, or a trial that failed.

    Every file is checked when it is read; what is damaged, or larger than its record allows, is
    refused. Nothing that is read can run code.
    """

    def __init__(self, experiment: str, stored: StoredRun) -> None:
        self._experiment, self._stored = experiment, stored

    @property
    def folder(self) -> Path:
        """`<results>/<experiment>/runs/<run id>`."""
        return self._stored.path.path

    @property
    def record(self) -> RunRecord:
        """`run.json`: trial, status, error, metrics, data, versions, hardware."""
        return self._stored.record

    @property
    def history(self) -> History:
        """Column of `history.json` -> a value for each epoch. Raises ResultsError."""
        return self._stored.history()

    @property
    def parameters(self) -> Parameters:
        """The parameter counts by role and by layer. Raises ResultsError."""
        return self._stored.parameters()

    @property
    def predictions(self) -> StoredPredictions:
        """Of its N test images: `labels` and `predicted` (N,), `probabilities` (N, classes).

        Raises:
            ResultsError: The run has none, or they are damaged.
        """
        return read_predictions(self._stored)

    def load_model(self) -> Any:
        """The trained network, a `keras.Model`, in this process, which starts Keras.

        It takes float32 images (N, H, W, C), scaled as in training: pixels / 255, minus
        `record.data.mean`, divided by `record.data.std`. It returns logits (N, classes). Keras's
        session is cleared and the random generators are seeded, as before a training.

        Raises:
            UsageError: The run is not finished, or its weights are missing or damaged.
        """
        trained = self._trained()
        return InProcessWorker().call(load_network, lambda report: None, trained)

    def predict(self, images: "Images") -> Classified:
        """Classify images with the trained network, in a worker process.

        Args:
            images: Pixels (N, H, W, C), uint8, of the size of the training images, or image files
                of any size, which are resized as those of the training were.

        Raises:
            UsageError: The images have another shape, or see `load_model`.
            DataError: A file is not an image.
        """
        trained = self._trained()
        batch = _batch(images, trained)
        with start_worker(WorkerResources("cpu")) as worker:
            predicted = worker.call(predict_given, lambda report: None, trained, batch)
        names = trained.facts.class_names
        best = predicted.probabilities.argmax(axis=1)
        return Classified(tuple(names[index] for index in best), names, predicted.probabilities)

    def kernels(
        self,
        images: "Images",
        at: tuple[int, int] | None = None,
    ) -> KernelMaps:
        """The kernels that its involution layers generate for images, made in a worker process.

        Args:
            images: Pixels (N, H, W, C) of the size of the training images, or image files of any
                size.
            at: A pixel, row and column from 0, whose kernels are returned too.

        Returns:
            For each layer `sums`, the sum of each kernel's values, (N, H', W', groups), and
            `kernels` (N, groups, Kh, Kw) at the pixel.

        Raises:
            UsageError: The network has no involution layers, or see `load_model`.
            DataError: A file is not an image.
        """
        trained = self._trained()
        shape = trained.facts.input_shape
        if at is not None and not (0 <= at[0] < shape[0] and 0 <= at[1] < shape[1]):
            raise UsageError(
                f"at={at}: outside the images, which have {shape[0]} rows and {shape[1]} columns"
            )
        batch = _batch(images, trained)
        with start_worker(WorkerResources("cpu")) as worker:
            return worker.call(make_kernels_of, lambda report: None, trained, batch, at)

    def _trained(self) -> TrainedRun:
        trained = trained_in(self._experiment, self._stored.path)
        for caveat in trained.caveats:
            warnings.warn(caveat, stacklevel=3)  # In the code that wants the network.
        return trained

    def __repr__(self) -> str:
        record = self.record
        return f"<Run {self._experiment}/{record.run_id}, {record.status}>"


def _batch(images: "Images", trained: TrainedRun) -> ImageBatch | list[str]:
    """Pixels as the network takes them, or the paths of image files."""
    if not isinstance(images, np.ndarray):
        return [str(user_path(fspath(path))) for path in images]
    shape = trained.facts.input_shape
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise UsageError(
            f"images: expected uint8 pixels (N, {expected}), got {images.dtype} {images.shape}"
        )
    return ImageBatch(tuple(map(str, range(len(images)))), images, None)
