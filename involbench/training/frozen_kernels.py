"""Kernels of involutions replaced by their means, to test what a kernel of each pixel is worth."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.layers.involution2d import Involution2D, involutions
from involbench.training.fit import scaled
from involbench.training.split import TrialData

_MOST_IMAGES = 1000


def freezing_obstacle(model: keras.Model) -> str | None:
    """Why the kernels of a network cannot be frozen; None if they can."""
    layers = involutions(model)
    if not layers:
        return "the network has no involution"
    if not all(layer.use_span_bias for layer in layers):
        return "its involutions have no bias that could hold the mean of the kernels"
    return None


@contextmanager
def frozen_kernels(
    model: keras.Model, share: float, data: TrialData, batch_size: int
) -> Iterator[None]:
    """Move the kernels of every involution of a network to their mean, and back afterwards.

    The mean is that over all pixels of the first 1,000 training images without augmentation, of
    the unchanged network, for each group and tap. An activation of the kernels follows it, so that
    kernels by a softmax still sum to one. No other weight is adapted.

    Args:
        model: A network of scaled images without a `freezing_obstacle`.
        share: Share of a kernel's distance from the mean that is taken away; 1 for the mean itself.
        data: The images that the network was trained on.
        batch_size: Images that are predicted at a time.
    """
    layers = involutions(model)
    means = _means(model, layers, data, batch_size)
    before = [layer.span.get_weights() for layer in layers]
    try:
        for layer, (kernel, bias), mean in zip(layers, before, means, strict=True):
            layer.span.set_weights([(1 - share) * kernel, (1 - share) * bias + share * mean])
        yield
    finally:
        for layer, weights in zip(layers, before, strict=True):
            layer.span.set_weights(weights)


def _means(
    model: keras.Model, layers: list[Involution2D], data: TrialData, batch_size: int
) -> list[NDArray[np.float32]]:
    """For each layer the mean of what its second convolution makes, (K*K*groups,)."""
    features = keras.Model(model.inputs, [layer.input for layer in layers])
    count = min(_MOST_IMAGES, len(data.train.labels))
    sums = [np.float64(0)] * len(layers)
    for start in range(0, count, batch_size):
        images = data.train.take(np.arange(start, min(start + batch_size, count)))
        inputs = features([scaled(images, data.mean, data.std)], training=False)
        inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
        for i, (layer, x) in enumerate(zip(layers, inputs, strict=True)):
            made = keras.ops.convert_to_numpy(layer.kernel_logits(x)).astype(np.float64)
            sums[i] = sums[i] + made.mean(axis=(1, 2)).sum(axis=0)
    return [np.asarray(each / count, np.float32) for each in sums]
