"""Involution2D.official against the authors' PyTorch definition, with the same weights."""

import keras
import numpy as np
import pytest

from involbench.layers import Involution2D, load_official_weights

torch = pytest.importorskip("torch", reason="the official definition needs PyTorch")


class Official(torch.nn.Module):
    """The arithmetic of the authors' involution_naive.py: unfold, multiply, sum."""

    def __init__(self, channels, kernel_size, stride):
        super().__init__()
        self.size, self.stride, self.groups = kernel_size, stride, channels // 16
        self.conv1 = torch.nn.Module()
        self.conv1.conv = torch.nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.conv1.bn = torch.nn.BatchNorm2d(channels // 4)
        self.conv2 = torch.nn.Module()
        self.conv2.conv = torch.nn.Conv2d(channels // 4, kernel_size**2 * self.groups, 1)

    def forward(self, x):
        pooled = x if self.stride == 1 else torch.nn.functional.avg_pool2d(x, self.stride)
        weight = self.conv2.conv(torch.relu(self.conv1.bn(self.conv1.conv(pooled))))
        b, _, h, w = weight.shape
        weight = weight.view(b, self.groups, self.size**2, h, w).unsqueeze(2)
        padding = (self.size - 1) // 2
        patches = torch.nn.functional.unfold(x, self.size, 1, padding, self.stride)
        patches = patches.view(b, self.groups, 16, self.size**2, h, w)
        return (weight * patches).sum(dim=3).view(b, -1, h, w)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_equals_the_official_definition(kernel_size, stride, training):
    torch.manual_seed(0)
    official = Official(32, kernel_size, stride).train(training)
    with torch.no_grad():
        official.conv1.bn.running_mean.uniform_(-1, 1)
        official.conv1.bn.running_var.uniform_(0.5, 2)
    layer = Involution2D.official(kernel_size, stride, data_format="channels_last")
    layer.build((None, 8, 6, 32))
    arrays = {name: value.detach().numpy().copy() for name, value in official.state_dict().items()}
    load_official_weights(layer, arrays)
    x = torch.randn(3, 32, 8, 6)
    expected = official(x).detach().permute(0, 2, 3, 1).numpy()
    inputs = x.permute(0, 2, 3, 1).numpy()
    got = keras.ops.convert_to_numpy(layer(inputs, training=training))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_missing_array_is_named():
    layer = Involution2D.official(3)
    layer.build((None, 8, 8, 16))
    with pytest.raises(ValueError, match=r"must hold conv1\.conv\.weight"):
        load_official_weights(layer, {})
