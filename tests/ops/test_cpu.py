"""The loops compiled for the CPU: vector lengths, threads, processes, and life without them."""

import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from involbench.ops import cpu, involution
from involbench.ops.geometry import make_geometry
from tests.effort import examples
from tests.ops import reference
from tests.ops.backends import BACKEND, values_and_gradients
from tests.ops.test_involution import arrays, check, in_graph

if BACKEND == "jax":
    pytest.skip("JAX compiles the sums itself", allow_module_level=True)

of_no_backend = pytest.mark.skipif(BACKEND == "torch", reason="tested with TensorFlow, the same")

SCRIPT = """
import numpy as np
from involbench.ops import cpu
from involbench.ops.geometry import make_geometry
geometry = make_geometry(3, data_format="channels_last")
x, h = np.ones((64, 16, 16, 16), "float32"), np.ones((64, 16, 16, 1, 9), "float32")
assert cpu.forward(x, h, geometry)[0, 1, 1, 0] == 9
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", ["contiguous", "interleaved"])
@pytest.mark.parametrize("members", examples([1, 5, 8, 33], [1, 2, 4, 5, 7, 8, 16, 17, 33]))
def test_any_number_of_channels_fills_the_vectors(members, layout, dtype):
    case = reference.Case((2, 3, 4, 2 * members), (3, 3), groups=2, layout=layout)
    check(case, "channels_last", dtype, 0, in_graph)


@pytest.mark.parametrize("padding", ["same", "keras_io"])
@pytest.mark.parametrize(
    ("kernel_size", "strides", "dilation"),
    [((1, 1), (3, 2), (1, 1)), ((3, 3), (5, 4), (1, 1)), ((3, 1), (2, 3), (4, 1))],
)
def test_strides_and_taps_that_miss_most_pixels(kernel_size, strides, dilation, padding):
    case = reference.Case((1, 11, 9, 6), kernel_size, strides, dilation, 2, padding=padding)
    check(case, "channels_last", "float32", 0, in_graph)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_reaches_what_it_touches_and_nothing_else(value):
    case = reference.Case((1, 6, 7, 20), (3, 3), groups=2)
    x, kernels, dy = arrays(case, 0)
    touched, _ = reference.gradients(case, x, np.ones_like(kernels), np.zeros_like(dy))
    x[0, 2, 3, 4] = dy[0, 5, 6, 12] = value
    touched[0, 1:4, 2:5, 4] = 1
    run = lambda x, h: involution(x, h, 3, groups=2, data_format="channels_last")  # noqa: E731
    y, (dx, dkernels) = values_and_gradients(run, [x, kernels], dy, "float32")
    np.testing.assert_array_equal(np.isfinite(y), touched == 0)
    expected = reference.gradients(case, x, kernels, dy)
    np.testing.assert_array_equal(np.isfinite(dx), np.isfinite(expected[0]))
    # A tap beyond the border multiplies a zero, which infinity does not leave a zero.
    unknown = ~np.isfinite(dkernels) & np.isfinite(expected[1])
    assert not unknown[:, 1:5, 1:6].any()
    assert not np.isfinite(dkernels[~np.isfinite(expected[1])]).any()


def test_many_threads_at_once_get_the_same_as_one():
    geometry = make_geometry(5, groups=2, data_format="channels_last")
    rng = np.random.default_rng(0)
    batches = [
        [rng.normal(size=shape).astype("float32") for shape in ((n, 9, 9, 8), (n, 9, 9, 2, 25))]
        for n in range(10, 50)
    ]

    def all_parts(batch):
        x, h = batch
        return (
            cpu.forward(x, h, geometry),
            cpu.inputs_gradient(x.shape, h, x, geometry),
            cpu.kernels_gradient(x, x, geometry),
        )

    expected = [all_parts(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(expected, pool.map(all_parts, batches), strict=True):
            for a, b in zip(one, other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "involbench.ops.cpu.columns", None)
    monkeypatch.delattr("involbench.ops.cpu.columns", raising=False)
    cpu.available.cache_clear()
    yield
    cpu.available.cache_clear()


@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_gives_the_same_where_numba_is_not_installed(without_numba, strides):
    assert not cpu.available()
    case = reference.Case((3, 5, 6, 4), (3, 3), strides, groups=2)
    for wrap in (lambda function: function, in_graph):
        check(case, "channels_last", "float32", 0, wrap)


def test_can_be_imported_where_numba_is_not_installed(monkeypatch):
    for name in [each for each in sys.modules if each.startswith("involbench.ops.cpu")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("numba", "llvmlite"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(os, "register_at_fork", lambda **_: None)
    assert not importlib.import_module("involbench.ops.cpu").available()


def test_gives_the_same_where_numba_may_not_compile(monkeypatch):
    from numba import config

    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    cpu.available.cache_clear()
    try:
        assert not cpu.available()
        case = reference.Case((2, 5, 6, 4), (3, 3), (1, 1), groups=2)
        check(case, "channels_last", "float32", 0, lambda function: function)
    finally:
        cpu.available.cache_clear()


def run_script(script, **environment):
    environment = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
@of_no_backend
def test_a_second_process_compiles_nothing(tmp_path):
    script = SCRIPT + "stats = cpu.make_plan((16, 16, 16), geometry, x.dtype).loops.forward.stats\n"
    script += "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))"
    folder = str(tmp_path)
    assert run_script(script, NUMBA_CACHE_DIR=folder).split() == ["0", "1"]
    assert run_script(script, NUMBA_CACHE_DIR=folder).split() == ["1", "0"]


@pytest.mark.thorough
@of_no_backend
def test_works_where_nothing_can_be_kept_on_disk():
    refuse = """
import numba
njit = numba.njit
def njit_without_folder(*args, cache=False, **options):
    if cache:
        raise RuntimeError("cannot cache function: no locator available")
    return njit(*args, **options)
numba.njit = njit_without_folder
"""
    run_script(refuse + SCRIPT)


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_works_in_a_child_that_was_forked_after_use():
    script = (
        SCRIPT
        + """
import os
child = os.fork()
if child == 0:
    os._exit(0 if cpu.forward(x, h, geometry)[0, 1, 1, 0] == 9 else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    )
    run_script(script)


def test_a_result_that_is_still_used_is_not_overwritten():
    geometry = make_geometry(3, data_format="channels_last")
    x, h = np.ones((64, 32, 32, 4), "float32"), np.ones((64, 32, 32, 1, 9), "float32")
    part = cpu.forward(x, h, geometry)[3:, 1:]
    before = part.copy()
    for factor in range(2, 20):
        cpu.forward(factor * x, h, geometry)
    np.testing.assert_array_equal(part, before)


def test_results_that_are_gone_leave_their_memory_to_the_next(monkeypatch):
    monkeypatch.setattr(cpu, "_threads", lambda: 1)
    geometry = make_geometry(3, data_format="channels_last")
    x, h = np.ones((64, 32, 32, 4), "float32"), np.ones((64, 32, 32, 1, 9), "float32")
    addresses = {cpu.forward(x, h, geometry).ctypes.data for _ in range(5)}
    held = [cpu.forward(x, h, geometry) for _ in range(5)]
    assert len(addresses) == 1
    assert len({array.ctypes.data for array in held}) == 5


@pytest.mark.parametrize(("channels", "groups"), [(3, 1), (32, 2)])
def test_no_number_of_cores_changes_a_bit(monkeypatch, channels, groups):
    geometry = make_geometry(5, 1, 2, groups, data_format="channels_last")
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(size=(21, 13, 19, channels)).astype("float32") for _ in range(2))
    h = rng.normal(size=(21, 13, 19, groups, 25)).astype("float32")

    def results(cores):
        monkeypatch.setattr(cpu, "_threads", lambda: cores)
        return (
            cpu.forward(x, h, geometry),
            cpu.inputs_gradient(x.shape, h, dy, geometry),
            cpu.kernels_gradient(x, dy, geometry),
        )

    alone = [array.tobytes() for array in results(1)]
    for cores in (2, 3, 16, 64):
        assert [array.tobytes() for array in results(cores)] == alone
