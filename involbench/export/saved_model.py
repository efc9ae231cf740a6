"""TensorFlow's own format: a folder, which TensorFlow Serving takes too."""

from pathlib import Path
from typing import Any

import keras


def write(model: keras.Model, path: Path, calibration: Any) -> None:
    """Write a model for any number of images."""
    model.export(path, format="tf_saved_model", verbose=False)


def load(path: Path, threads: int) -> Any:
    """A runtime; how many threads it has, TensorFlow decides when it starts."""
    import tensorflow as tf

    served = tf.saved_model.load(path)  # Its variables live as long as it does.

    def run(images: Any) -> Any:
        return served.serve(tf.constant(images)).numpy()

    return run
