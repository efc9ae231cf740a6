"""LiteRT, once TensorFlow Lite: for one image at a time, as phones and boards have them.

A model for any number of images keeps its shapes open, which keeps LiteRT from its fast kernels.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np


def write(model: keras.Model, path: Path, calibration: Any) -> None:
    """Write a model as it is, in float32."""
    _write(model, path)


def write_float16(model: keras.Model, path: Path, calibration: Any) -> None:
    """Write a model whose weights are rounded to float16."""
    import tensorflow as tf

    _write(
        model,
        path,
        optimizations=[tf.lite.Optimize.DEFAULT],
        target_spec={"supported_types": [tf.float16]},
    )


def write_int8(model: keras.Model, path: Path, calibration: Any) -> None:
    """Write a model that computes in int8; what has no int8 kernel stays float32.

    Images and probabilities are float32 all the same, so that it takes another model's place.
    """
    import tensorflow as tf

    def representative() -> Iterator[list[Any]]:
        for image in calibration:
            yield [image[np.newaxis]]

    kernels = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    _write(
        model,
        path,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=representative,
        target_spec={"supported_ops": kernels},
    )


def _write(model: keras.Model, path: Path, **converter: Any) -> None:
    one = keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32")
    model.export(path, format="litert", input_signature=[one], verbose=False, **converter)


def load(path: Path, threads: int) -> Any:
    """LiteRT's interpreter on the CPU."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads or None)
    interpreter.allocate_tensors()
    taken = interpreter.get_input_details()[0]["index"]
    given = interpreter.get_output_details()[0]["index"]

    def one(image: Any) -> Any:
        interpreter.set_tensor(taken, image[np.newaxis])
        interpreter.invoke()
        return interpreter.get_tensor(given)[0]

    def run(images: Any) -> Any:
        return np.stack([one(image) for image in images])

    return run
