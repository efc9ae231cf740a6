"""Models with involutions, exported: their runtimes compute what Keras does."""

import keras
import numpy as np
import pytest

from tests.operator.backends import BACKEND

if BACKEND != "tensorflow":
    pytest.skip("Keras exports from TensorFlow", allow_module_level=True)

import tensorflow as tf

from involbench.layers import Involution2D

OPTIONS = [
    pytest.param({}, marks=pytest.mark.thorough),
    {"dilation_rate": 2, "kernel_activation": "softmax"},
    {"strides": 2, "padding": "keras_io", "group_layout": "interleaved"},
]


def run_saved_model(path, x):
    served = tf.saved_model.load(path)  # Its variables live as long as it does.
    return served.serve(x)


def run_onnx(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def run_litert(path, x):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        interpreter = tf.lite.Interpreter(path)
    else:
        interpreter = Interpreter(path)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    ("kind", "name", "run"),
    [
        ("tf_saved_model", "model", run_saved_model),
        ("onnx", "model.onnx", run_onnx),
        ("litert", "model.tflite", run_litert),
    ],
    ids=["tf_saved_model", "onnx", "litert"],
)
def test_an_exported_model_gives_the_same(kind, name, run, options, tmp_path):
    if kind == "onnx":
        pytest.importorskip("tf2onnx", reason="exporting to ONNX needs tf2onnx")
        pytest.importorskip("onnxruntime", reason="running ONNX needs onnxruntime")
    layer = Involution2D(**({"kernel_size": 3, "groups": 2, "reduction_ratio": 2} | options))
    model = keras.Sequential([keras.Input((7, 6, 4)), layer])
    x = np.random.default_rng(0).normal(size=(70, 7, 6, 4)).astype("float32")
    expected = model.predict(x, verbose=0)
    path = str(tmp_path / name)
    model.export(path, format=kind, verbose=False)
    np.testing.assert_allclose(run(path, x), expected, rtol=1e-4, atol=1e-4)
