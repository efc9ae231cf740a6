"""rednet against the authors' PyTorch network, with the weights of its checkpoint's layout."""

import keras
import numpy as np
import pytest

from involbench.models import build_model, load_official_weights
from tests.ops.backends import BACKEND

torch = pytest.importorskip("torch", reason="the authors' network needs PyTorch")
if BACKEND == "jax":
    pytest.skip("names and weights are the same on every backend", allow_module_level=True)
from tests.layers.test_official_weights import Official  # noqa: E402

nn = torch.nn


class Convolved(nn.Module):
    """A convolution, batch normalization and ReLU under the names of the authors' toolbox."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = Official(filters, 7, stride)
        self.bn2 = nn.BatchNorm2d(filters)
        self.conv3 = nn.Conv2d(filters, 4 * filters, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * filters)
        self.downsample = nn.Sequential()
        if stride > 1 or channels != 4 * filters:
            shortcut = nn.Conv2d(channels, 4 * filters, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * filters))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class RedNet26(nn.Module):
    """Depth 26, 32 channels wide."""

    def __init__(self, classes):
        super().__init__()
        self.backbone, self.head = nn.Module(), nn.Module()
        stem = (Convolved(3, 16, 2), Official(16, 3, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.backbone.stem = nn.Sequential(*stem, Convolved(16, 32, 1))
        channels = 32
        for stage, count in enumerate((1, 2, 4, 1)):
            blocks = []
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(Bottleneck(channels, 32 * 2**stage, stride))
                channels = 4 * 32 * 2**stage
            setattr(self.backbone, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.head.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.backbone.stem(x), 3, 2, 1)
        for stage in range(4):
            x = getattr(self.backbone, f"layer{stage + 1}")(x)
        return self.head.fc(x.mean(dim=(2, 3)))


def state(network):
    return {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def official():
    torch.manual_seed(0)
    network = RedNet26(classes=7)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture
def model():
    return build_model("rednet", (64, 96, 3), 7, depth=26, width=32)


def test_the_same_weights_give_the_same_output(official, model):
    load_official_weights(model, state(official))
    x = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype("float32")
    expected = official(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach().numpy()
    got = keras.ops.convert_to_numpy(model(x, training=False))
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_what_does_not_fit_is_named(official, model):
    arrays = state(official)
    before = model.get_weights()
    kernel = arrays.pop("backbone.layer1.0.conv1.weight")
    with pytest.raises(ValueError, match=r"lack: backbone\.layer1\.0\.conv1\.weight, 1 in all"):
        load_official_weights(model, arrays)
    arrays |= {"backbone.layer1.0.conv1.weight": kernel, "backbone.layer1.1.conv1.weight": kernel}
    with pytest.raises(ValueError, match=r"hold too much: backbone\.layer1\.1\.conv1\.weight"):
        load_official_weights(model, arrays)
    del arrays["backbone.layer1.1.conv1.weight"]
    arrays["head.fc.weight"] = arrays["head.fc.weight"][:3]
    with pytest.raises(ValueError, match=r"do not fit head_logits/kernel"):
        load_official_weights(model, arrays)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    other = build_model("resnet", (64, 96, 3), 7, depth=26, operator="local_self_attention")
    with pytest.raises(ValueError, match=r"must be a `rednet`\. Received: a resnet"):
        load_official_weights(other, arrays)
