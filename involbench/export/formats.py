"""The export formats: how each is written, and the runtime that reads it.

- `saved_model`: TensorFlow's format, a folder, which TensorFlow Serving reads, too.
- `onnx`: written by tf2onnx, read by ONNX Runtime.
- `litert`: LiteRT (before: TensorFlow Lite), for one image at a time, as phones and boards use it.
  In a model for any number of images, shapes are unknown, and LiteRT cannot use its fast kernels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from involbench.results.benchmarks import Format

Images = NDArray[np.float32]
"""(N, H, W, C), from 0 to 255."""
Runtime = Callable[[Images], NDArray[np.float32]]
"""Images -> probabilities, (N, classes)."""


@dataclass(frozen=True)
class Exporter:
    """How one format is written and read."""

    write: Callable[[keras.Model, Path, Images], None]
    """Write a model, given some training images to find the ranges of its values."""
    load: Callable[[Path, int], Runtime]
    """Load a file into its runtime, with a number of threads; 0: the runtime decides."""
    packages: tuple[str, ...]
    """The packages that write and read it, beside Keras and TensorFlow, for the record."""


def _load_saved_model(path: Path, threads: int) -> Runtime:
    """Load a SavedModel; TensorFlow sets the number of threads when it starts."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)  # Its variables live as long as it does.
    return lambda images: loaded.serve(tf.constant(images)).numpy()


def _load_onnx(path: Path, threads: int) -> Runtime:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def _write_litert(model: keras.Model, path: Path, calibration: Images) -> None:
    _convert_to_litert(model, path)


def _write_litert_float16(model: keras.Model, path: Path, calibration: Images) -> None:
    """Write a model with weights rounded to float16."""
    import tensorflow as tf

    _convert_to_litert(
        model,
        path,
        optimizations=[tf.lite.Optimize.DEFAULT],
        target_spec={"supported_types": [tf.float16]},
    )


def _write_litert_int8(model: keras.Model, path: Path, calibration: Images) -> None:
    """Write a model that computes in int8; operations without an int8 kernel stay in float32.

    Images and probabilities are float32, so that it can replace the other formats.
    """
    import tensorflow as tf

    def representative() -> Iterator[list[Any]]:
        for image in calibration:
            yield [image[np.newaxis]]

    kernels = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    _convert_to_litert(
        model,
        path,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=representative,
        target_spec={"supported_ops": kernels},
    )


def _convert_to_litert(model: keras.Model, path: Path, **converter: Any) -> None:
    one = keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32")
    model.export(path, format="litert", input_signature=[one], verbose=False, **converter)


def _load_litert(path: Path, threads: int) -> Runtime:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads or None)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def run_one(image: Any) -> Any:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        return interpreter.get_tensor(result)[0]

    return lambda images: np.stack([run_one(image) for image in images])


def _exported(name: str) -> Callable[[keras.Model, Path, Images], None]:
    """Writes a format that Keras writes."""
    return lambda model, path, calibration: model.export(path, format=name, verbose=False)


_LITERT = ("ai-edge-litert",)

EXPORTERS: dict[Format, Exporter] = {
    "saved_model": Exporter(_exported("tf_saved_model"), _load_saved_model, ()),
    "onnx": Exporter(_exported("onnx"), _load_onnx, ("tf2onnx", "onnxruntime")),
    "litert": Exporter(
        lambda model, path, _: _convert_to_litert(model, path), _load_litert, _LITERT
    ),
    "litert_float16": Exporter(_write_litert_float16, _load_litert, _LITERT),
    "litert_int8": Exporter(_write_litert_int8, _load_litert, _LITERT),
}


def versions(form: Format) -> dict[str, str]:
    """Package -> version, of Keras, TensorFlow and the packages that a format needs."""
    return {name: version(name) for name in ("keras", "tensorflow", *EXPORTERS[form].packages)}
