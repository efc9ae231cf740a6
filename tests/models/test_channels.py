"""What a spec refuses of an operator's channels is what its layers refuse."""

import pytest

from involbench.models import build_model
from involbench.models.parameters import build_without_weights
from involbench.spec.architectures import architecture_specs

PLACES = [
    *({"architecture": "plain", "widths": widths} for widths in ([8], [20], [16, 32], [64, 24])),
    {"architecture": "residual_involution", "num_layers": 1, "width": 6},
    {"architecture": "residual_involution", "num_layers": 1, "width": 64},
    {"architecture": "resnet", "depth": 18, "width": 12, "stem": "cifar"},
    {"architecture": "resnet", "depth": 26, "width": 16, "stem": "cifar"},
]
OPERATORS = [
    *("none", "convolution", "depthwise", "involution"),
    *("static_shared", "local_self_attention", "outlook_attention"),
    *({"name": "involution", "group_channels": count} for count in (3, 8, 32)),
    *({"name": "involution", "groups": count} for count in (2, 5)),
    {"name": "involution", "groups": 2, "group_channels": 4},
    {"name": "involution", "group_channels": 2, "reduction_ratio": 16},
    {"name": "involution", "group_channels": 2, "reduction_ratio": 16, "reduce_filters": 3},
    *({"name": "local_self_attention", "heads": heads} for heads in (4, 5, 12)),
    *({"name": "outlook_attention", "heads": heads} for heads in (1, 6)),
    {"name": "convolution", "groups": 4},
    *({"name": "static_shared", "group_channels": count} for count in (3, 8)),
]


@pytest.mark.parametrize("operator", OPERATORS, ids=str)
def test_a_spec_and_the_layers_refuse_the_same_channels(operator):
    refused = set()
    for place in PLACES:
        spec = architecture_specs()[place["architecture"]](operator=operator, **place)
        try:
            with build_without_weights():
                build_model(spec.architecture, (16, 16, 4), 10, **spec.arguments)
            built = True
        except ValueError:
            built = False
        assert bool(spec.misfits) != built, (place, spec.misfits)
        refused.add(not built)
    assert refused == {False} or operator not in ("none", "convolution", "depthwise")
