"""ONNX, by tf2onnx; ONNX Runtime reads it."""

from pathlib import Path
from typing import Any

import keras


def write(model: keras.Model, path: Path, calibration: Any) -> None:
    """Write a model for any number of images."""
    model.export(path, format="onnx", verbose=False)


def load(path: Path, threads: int) -> Any:
    """ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Any) -> Any:
        return session.run(None, {name: images})[0]

    return run
