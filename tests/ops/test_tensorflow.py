"""What only TensorFlow does: compiling by parts, exporting, the published keras.io layer."""

import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.ops.backends import BACKEND

if BACKEND != "tensorflow":
    pytest.skip("tests TensorFlow's own functions", allow_module_level=True)

import tensorflow as tf

from involbench.layers import Involution2D
from involbench.ops import involution
from involbench.ops import tensorflow as implementation
from involbench.ops.cpu import columns as cpu_columns


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def keras_io_involution(x, layer, groups):
    """The published layer's arithmetic (patches, multiply, sum), on the weights of `layer`."""
    size, strides = layer.kernel_size[0], layer.strides[0]
    pooled = tf.nn.avg_pool2d(x, strides, strides, "SAME") if strides > 1 else x
    kernel = layer.span(layer.activation(layer.normalization(layer.reduce(pooled))))
    batch, height, width = kernel.shape[:3]
    kernel = tf.reshape(kernel, (batch, height, width, size * size, 1, groups))
    window, step = [1, size, size, 1], [1, strides, strides, 1]
    patches = tf.image.extract_patches(x, window, step, [1, 1, 1, 1], "SAME")
    channels = x.shape[-1]
    shape = (batch, height, width, size * size, channels // groups, groups)
    summed = tf.reduce_sum(kernel * tf.reshape(patches, shape), axis=3)
    return tf.reshape(summed, (batch, height, width, channels))


@pytest.mark.parametrize(("groups", "channels"), [(1, 3), (2, 6), (3, 6)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_equals_the_keras_io_layer(groups, channels, stride, kernel_size):
    layer = Involution2D.keras_io(16, groups, kernel_size, stride)
    x = images(2, 8, 6, channels)
    layer(x)
    for weight in layer.weights:
        weight.assign(np.random.default_rng(2).uniform(0.5, 1.5, weight.shape))
    theirs = keras_io_involution(tf.constant(x), layer, groups)
    np.testing.assert_allclose(layer(x), theirs, rtol=1e-4, atol=1e-3)
    assert float(np.std(theirs)) > 0.1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_trains_alike_inside_a_compiled_function(jit_compile):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 6, 4)), Involution2D(3, reduction_ratio=2)])
    model.compile("sgd", "mse", jit_compile=jit_compile)
    x = images(20, 6, 6, 4)
    losses = [model.train_on_batch(x, x) for _ in range(3)]
    eager = keras.models.clone_model(model)
    keras.utils.set_random_seed(0)
    eager = keras.Sequential([keras.Input((6, 6, 4)), Involution2D(3, reduction_ratio=2)])
    eager.compile("sgd", "mse", run_eagerly=True)
    np.testing.assert_allclose(losses, [eager.train_on_batch(x, x) for _ in range(3)], rtol=1e-4)


def test_no_size_compiles_anew():
    traces = []

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 2)),
            tf.TensorSpec((None, None, None, 1, 9)),
        ]
    )
    def run(x, h):
        traces.append(x)
        return involution(x, h, 3)

    run(images(1, 5, 5, 2), images(1, 5, 5, 1, 9))
    compiled = len(cpu_columns.forward.signatures)
    for batch, height, width in [(64, 5, 5), (9, 5, 5), (0, 5, 5), (2, 7, 4)]:
        y = run(images(batch, height, width, 2), images(batch, height, width, 1, 9))
        assert y.shape == (batch, height, width, 2)
    assert len(traces) == 1
    assert len(cpu_columns.forward.signatures) == compiled


@pytest.mark.parametrize("save", ["model.export", "tf.saved_model.save"])
def test_a_saved_model_holds_no_function_of_ours(save, tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 4)), Involution2D(3, reduction_ratio=2)])
    x = images(70, 6, 6, 4)
    expected = model.predict(x, verbose=0)
    if save == "model.export":
        model.export(str(tmp_path / "model"), verbose=False)
    else:
        tf.saved_model.save(model, str(tmp_path / "model"))
    served = tf.saved_model.load(str(tmp_path / "model"))
    serve = served.signatures["serving_default"]
    (got,) = serve(
        **{name: tf.constant(x) for name in serve.structured_input_signature[1]}
    ).values()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    graph = str(serve.graph.as_graph_def())  # with the functions that it calls
    assert not re.search(r'"_XlaMustCompile"\s+value\s*{\s*b: true', graph)
    assert not re.search(r'op: "\w*PyFunc', graph)


@pytest.mark.thorough
def test_second_derivatives_equal_those_of_plain_operations(monkeypatch):
    x, h = tf.constant(images(2, 5, 4, 6)), tf.constant(images(2, 5, 4, 2, 9))

    def second():
        with tf.GradientTape() as outer:
            outer.watch([x, h])
            with tf.GradientTape() as inner:
                inner.watch([x, h])
                y = tf.reduce_sum(involution(x, h, 3, groups=2) ** 3)
            first = inner.gradient(y, [x, h])
            total = sum(tf.reduce_sum(gradient**2) for gradient in first)
        return outer.gradient(total, [x, h])

    for run in (second, tf.function(second)):
        got = run()
        with monkeypatch.context() as patch:
            patch.setattr(implementation.cpu, "available", lambda: False)
            expected = tf.function(second, jit_compile=True)()
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2)


@pytest.mark.thorough
def test_trains_under_determinism_bit_for_bit():
    script = (
        "import keras, numpy as np, tensorflow as tf\n"
        "from involbench.layers import Involution2D\n"
        "keras.utils.set_random_seed(0); tf.config.experimental.enable_op_determinism()\n"
        "m = keras.Sequential([keras.Input((8, 8, 4)), Involution2D(3, 1, reduction_ratio=2)])\n"
        "m.compile('adam', 'mse'); x = np.random.rand(150, 8, 8, 4).astype('float32')\n"
        "m.fit(x, x, batch_size=64, epochs=2, verbose=0)\n"
        "print([w.tobytes().hex() for w in m.get_weights()])\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) > 100


@pytest.mark.thorough
def test_trains_alike_on_two_replicas():
    script = (
        "import keras, numpy as np, tensorflow as tf\n"
        "from contextlib import nullcontext\n"
        "from involbench.layers import Involution2D\n"
        "cpu = tf.config.list_physical_devices('CPU')[0]\n"
        "half = tf.config.LogicalDeviceConfiguration()\n"
        "tf.config.set_logical_device_configuration(cpu, [half, half])\n"
        "strategy = tf.distribute.MirroredStrategy(['/cpu:0', '/cpu:1'])\n"
        "assert strategy.num_replicas_in_sync == 2\n"
        "x = np.random.default_rng(0).normal(size=(20, 6, 6, 4)).astype('float32')\n"
        "for scope in (strategy.scope(), nullcontext()):\n"
        "    keras.utils.set_random_seed(0)\n"
        "    with scope:\n"
        # Each replica has batch statistics of its own, so the batches are not normalized.
        "        layer = Involution2D(3, reduction_ratio=2, normalization='layer')\n"
        "        m = keras.Sequential([keras.Input((6, 6, 4)), layer])\n"
        "        m.compile('sgd', 'mse')\n"
        "    m.fit(x, x, batch_size=8, epochs=3, shuffle=False, verbose=0)\n"
        "    print(*(float(abs(w).sum()) for w in m.get_weights()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    replicated, alone = (np.array(line.split(), float) for line in done.stdout.splitlines())
    np.testing.assert_allclose(replicated, alone, rtol=1e-4)
