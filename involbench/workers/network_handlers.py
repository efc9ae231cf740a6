"""Handlers of the trained networks of runs; see `involbench.workers.handlers`."""

from collections.abc import Sequence
from typing import Any

from involbench.results.arrays import ImageBatch, KernelMaps, Predictions
from involbench.workers.handlers import Session
from involbench.workers.protocol import TrainedRun


def predict_given(
    session: Session, run: TrainedRun, images: ImageBatch | Sequence[str]
) -> Predictions:
    """Classify images, or image files."""
    from involbench.training.inference import predict_images, read_image_files

    if not isinstance(images, ImageBatch):
        images = read_image_files(images, run.facts, run.record.trial.data.resize)
    return predict_images(run.record, run.facts, run.weights, images)


def predict_test(session: Session, run: TrainedRun, count: int) -> Predictions:
    """Classify test images of the run."""
    from involbench.training.inference import predict_images

    return predict_images(run.record, run.facts, run.weights, session.test_images(run, count))


def make_kernels(
    session: Session,
    run: TrainedRun,
    count: int,
    chosen: tuple[int, ...],
    pixel: tuple[int, int] | None,
    untrained: bool,
) -> KernelMaps:
    """Make the involution kernels for test images of the run.

    The images are the first `count`, or the `chosen` ones. The kernels are taken at one pixel, or
    at all; with the initial weights if `untrained`.
    """
    from involbench.training.inference import kernel_maps

    weights = None if untrained else run.weights
    images = session.test_images(run, count, chosen)
    return kernel_maps(run.record, run.facts, weights, images, pixel)


def make_kernels_of(
    session: Session,
    run: TrainedRun,
    images: ImageBatch | Sequence[str],
    pixel: tuple[int, int] | None,
) -> KernelMaps:
    """Make the involution kernels for images, or for image files."""
    from involbench.training.inference import kernel_maps, read_image_files

    if not isinstance(images, ImageBatch):
        images = read_image_files(images, run.facts, run.record.trial.data.resize)
    return kernel_maps(run.record, run.facts, run.weights, images, pixel)


def inspect_image(
    session: Session, run: TrainedRun, image: ImageBatch | str, pixel: tuple[int, int]
) -> tuple[Predictions, KernelMaps | None, KernelMaps | None]:
    """Classify one image, or image file, with a network that stays in the process.

    Returns:
        The predictions; the kernels at the pixel, trained and untrained: None without involution.
    """
    from involbench.training.inference import read_image_files

    if isinstance(image, str):
        image = read_image_files([image], run.facts, run.record.trial.data.resize)
    predictions, kernels = session.inspector(run).inspect(image, pixel)
    if kernels is None:
        return predictions, None, None
    _, untrained = session.inspector(run, untrained=True).inspect(image, pixel)
    return predictions, kernels, untrained


def load_network(session: Session, run: TrainedRun) -> Any:
    """The trained network, a Keras model, which stays in the process: for an `InProcessWorker`."""
    from involbench.training.inference import load_model

    return load_model(run.record, run.facts, run.weights)
