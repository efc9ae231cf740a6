"""Involution of a shifted image is the shifted involution, but for a margin of half a window."""

import keras
import numpy as np
import pytest

from involbench.layers import Involution2D


@pytest.mark.parametrize("kernel_size", [3, 7])
@pytest.mark.parametrize("layout", ["contiguous", "interleaved"])
def test_a_shift_commutes_with_involution_in_the_interior(kernel_size, layout):
    keras.utils.set_random_seed(0)
    layer = Involution2D(kernel_size, groups=2, group_layout=layout, data_format="channels_last")
    images = np.random.default_rng(0).random((2, 20, 24, 8), np.float32)
    moved = np.roll(images, (3, -2), axis=(1, 2))
    margin = kernel_size // 2
    after, before = (np.asarray(keras.ops.convert_to_numpy(layer(x))) for x in (moved, images))
    rows, columns = slice(3 + margin, 20 - margin), slice(margin, 22 - margin)
    expected = np.roll(before, (3, -2), axis=(1, 2))
    np.testing.assert_allclose(
        after[:, rows, columns], expected[:, rows, columns], rtol=1e-5, atol=1e-6
    )
    # At the edge zeros come in, so that there it is not the same.
    assert np.abs(after - expected)[:, : 3 + margin].max() > 1e-3
