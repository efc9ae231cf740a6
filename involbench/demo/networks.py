"""One or two trained networks in a worker: what they predict for an image, and their kernels."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from involbench.errors import UsageError
from involbench.reporting.inference import predictions_document
from involbench.results.arrays import (
    MOST_SAMPLE_IMAGES,
    ImageBatch,
    KernelMaps,
    read_sample_images,
    sample_images_path,
)
from involbench.workers.local import WorkerProtocol
from involbench.workers.network_handlers import inspect_image, predict_test
from involbench.workers.protocol import Show, TrainedRun

Pixel = tuple[int, int]
"""Row and column."""


@dataclass(frozen=True)
class NetworkView:
    """What one network makes of an image."""

    name: str
    """`EXPERIMENT/ID` of its run."""
    probabilities: dict[str, float]
    """Class -> its probability."""
    kernels: KernelMaps | None
    """With the kernels at the pixel; None without involution layers."""
    untrained: KernelMaps | None
    """The same for the network before training."""


@dataclass(frozen=True)
class ImageView:
    """What the networks make of an image."""

    image: ImageBatch
    """As the networks get it; only one."""
    pixel: Pixel
    networks: tuple[NetworkView, ...]


class DemoNetworks:
    """The networks of one or two runs, which stay in a worker.

    Args:
        runs: The runs under their names, which pass `check_same_images`.
        worker: It handles one request at a time, from any thread.
    """

    def __init__(self, runs: Sequence[tuple[str, TrainedRun]], worker: WorkerProtocol) -> None:
        self.runs = tuple(runs)
        self.facts = runs[0][1].facts
        self._worker, self._lock = worker, threading.Lock()

    def load(self) -> None:
        """Load the networks, so that what is wrong with one is known before the page is there.

        Raises:
            UsageError: See `view`.
        """
        pixels = np.zeros((1, *self.facts.input_shape), np.uint8)
        self.view(ImageBatch(("black",), pixels, None), (0, 0))

    def test_images(self, show: Show) -> ImageBatch:
        """Test images of the first run: those stored with its experiment, else from the dataset.

        Raises:
            DataError: None are stored, and the dataset is missing or has changed.
            ResultsError: The stored images are damaged.
        """
        run = self.runs[0][1]
        stored = sample_images_path(run.weights.parent.parent.parent, self.facts.fingerprint)
        if stored.exists():
            return read_sample_images(stored)
        count = min(self.facts.test_size, MOST_SAMPLE_IMAGES)
        with self._lock:
            return self._worker.call(predict_test, show, run, count).images

    def view(self, image: ImageBatch | str, pixel: Pixel) -> ImageView:
        """The predictions for one image, or image file of any size, and the kernels at a pixel.

        Raises:
            DataError: The file is not an image.
            UsageError: A network cannot be loaded, or its probabilities are not finite.
        """
        views = []
        for name, run in self.runs:
            with self._lock:
                predictions, kernels, untrained = self._worker.call(
                    inspect_image, lambda report: None, run, image, pixel
                )
            image = predictions.images
            (row,) = predictions_document(predictions, self.facts.class_names)
            known = {key: value for key, value in row["probabilities"].items() if value is not None}
            if len(known) < len(row["probabilities"]):
                raise UsageError(f"{name}: its probabilities are not finite numbers")
            views.append(NetworkView(name, known, kernels, untrained))
        assert isinstance(image, ImageBatch)
        return ImageView(image, pixel, tuple(views))


def check_same_images(runs: Sequence[tuple[str, TrainedRun]]) -> None:
    """Check that all networks take the same images and know the same classes.

    Raises:
        UsageError: They differ in the size of the images, in data.resize or in the classes.
    """
    (first, one), *others = runs
    for name, other in others:
        sizes = ["x".join(map(str, run.facts.input_shape)) for run in (one, other)]
        resize = [run.record.trial.data.resize for run in (one, other)]
        classes = [run.facts.class_names for run in (one, other)]
        for what, (left, right) in (("images of", sizes), ("data.resize:", resize)):
            if left != right:
                raise UsageError(
                    f"{first} has {what} {left}, {name} has {what} {right}; "
                    "name two runs that take the same images"
                )
        if classes[0] != classes[1]:
            raise UsageError(
                f"{first} and {name} have different classes; name two runs on the same classes"
            )
