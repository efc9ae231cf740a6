"""Models with involutions, exported: their runtimes compute what Keras does."""

import warnings

import keras
import numpy as np
import pytest

from tests.ops.backends import BACKEND
from tests.project.pages import blocks

if BACKEND != "tensorflow":
    pytest.skip("Keras exports from TensorFlow", allow_module_level=True)

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from involbench.layers import Involution2D
from involbench.ops import plain_operations

OPTIONS = [
    pytest.param({}, marks=pytest.mark.thorough),
    {"dilation_rate": 2, "kernel_activation": "softmax"},
    {"strides": 2, "padding": "keras_io", "group_layout": "interleaved"},
]


def run_saved_model(path, x):
    served = tf.saved_model.load(path)  # Its variables live as long as it does.
    return served.serve(x)


def run_onnx(model, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(model)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def run_litert(path=None, x=None, **model):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        interpreter = tf.lite.Interpreter(path, **model)
    else:
        interpreter = Interpreter(path, **model)
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


X = np.random.default_rng(1).normal(size=(3, 6, 5, 16)).astype("float32")


def layer_and_function(groups):
    """A layer with weights, and a function of it that nothing has traced."""
    layer = Involution2D(3, groups=groups)
    layer.build(X.shape)
    return layer, tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec(X.shape)])


def by_tflite(layer, function, folder):
    concrete = [function.get_concrete_function()]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(concrete)
    return run_litert(x=X, model_content=converter.convert())


def by_tf2onnx(layer, function, folder):
    convert = pytest.importorskip("tf2onnx", reason="converting to ONNX needs tf2onnx").convert
    pytest.importorskip("onnxruntime", reason="running ONNX needs onnxruntime")
    function.get_concrete_function()  # Traced before the converter would.
    model, _ = convert.from_function(function, function.input_signature, opset=17)
    return run_onnx(model.SerializeToString(), X)


def by_freezing(layer, function, folder):
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    assert calls_of(frozen.graph.as_graph_def()) == set()
    return frozen(tf.constant(X))[0]


def by_a_signature(layer, function, folder):
    module = tf.Module()
    module.layer = layer
    tf.saved_model.save(module, folder / "saved", signatures=function.get_concrete_function())
    loaded = tf.saved_model.load(folder / "saved")
    assert calls_of(loaded.signatures["serving_default"].graph.as_graph_def()) == set()
    (result,) = loaded.signatures["serving_default"](tf.constant(X)).values()
    return result


def calls_of(graph):
    """The operations of a graph that no other process or no other runtime has."""
    functions = (node for function in graph.library.function for node in function.node_def)
    kinds = {node.op for node in (*graph.node, *functions)}
    return {kind for kind in kinds if "PyFunc" in kind or "Xla" in kind}


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("groups", [1, 8], ids=["loops", "compiled by XLA"])
@pytest.mark.parametrize("convert", [by_tflite, by_tf2onnx, by_freezing, by_a_signature])
def test_plain_operations_leave_by_any_converter(convert, groups, tmp_path):
    layer, function = layer_and_function(groups)
    expected = layer(X)
    with warnings.catch_warnings(), plain_operations():
        warnings.filterwarnings("error", ".*compiled loops")
        result = convert(layer, function, tmp_path)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    _, function = layer_and_function(groups=1)
    assert calls_of(function.get_concrete_function().graph.as_graph_def()) == {"PyFuncStateless"}


def test_tf2onnx_needs_no_choice_where_it_traces():
    convert = pytest.importorskip("tf2onnx", reason="converting to ONNX needs tf2onnx").convert
    layer, function = layer_and_function(groups=1)
    model, _ = convert.from_function(function, function.input_signature, opset=17)
    result = run_onnx(model.SerializeToString(), X)
    np.testing.assert_allclose(result, layer(X), rtol=1e-4, atol=1e-5)


def test_a_saved_graph_that_works_in_no_other_process_warns(tmp_path):
    layer, function = layer_and_function(groups=1)
    module = tf.Module()
    module.layer, module.function = layer, function
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*compiled loops")
        tf.saved_model.save(module, tmp_path / "traced on the way")
    traced = function.get_concrete_function()
    with pytest.warns(UserWarning, match="new tf.function inside `with involbench.ops.plain_oper"):
        tf.saved_model.save(module, tmp_path / "traced before", signatures=traced)


def test_the_documented_conversion_computes_what_the_layer_does():
    page = blocks("docs/how-to/use-the-layer.md")
    (block,) = (each.text for each in page if "TFLiteConverter" in each.text)
    names = {}
    exec(block, names)
    x = np.random.default_rng(2).normal(size=(1, 32, 32, 16)).astype("float32")
    result = run_litert(x=x, model_content=names["converted"])
    np.testing.assert_allclose(result, names["model"](x), rtol=1e-4, atol=1e-5)
