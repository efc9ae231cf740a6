"""`params` as tables for the terminal."""

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.text import Text

from involbench.reporting.tables import NumbersTable
from involbench.results.record import ROLES, LayerParameters, Parameters

_LAYER_COLUMNS = ("layer", "output", "role", "parameters", "MACs")
_CONVENTION = (
    "MACs: multiply-accumulates for one image, of convolutions, dense layers and operators with "
    "all that makes their kernels; nothing for biases, normalization, activations and pooling."
)


def params_view(counted: Mapping[str, Parameters]) -> Iterator[RenderableType]:
    """What `params` prints: the layers of each model, then all models by role."""
    for name, parameters in counted.items():
        yield Text(name, style="bold")
        yield NumbersTable(_LAYER_COLUMNS, [layer_cells(layer) for layer in parameters.layers])
        yield Text()
    rows = [(name, *role_cells(parameters)) for name, parameters in counted.items()]
    yield NumbersTable(("model", "trainable", *ROLES, "non-trainable"), rows)
    yield Text()
    rows = [(name, *mac_cells(parameters)) for name, parameters in counted.items()]
    yield NumbersTable(("model", "MACs", *ROLES), rows)
    yield Text()
    for name, parameters in counted.items():
        if parameters.not_counted:
            yield Text(f"{name}: MACs not counted: {', '.join(parameters.not_counted)}")
    yield Text(_CONVENTION)


def layer_cells(layer: LayerParameters) -> tuple[str, ...]:
    """Name and class, output without the batch, role, all its weights, and what it computes."""
    output = "x".join("?" if size is None else str(size) for size in layer.output_shape[1:])
    return (
        f"{layer.name} ({layer.layer})",
        output,
        layer.role,
        f"{layer.trainable + layer.non_trainable:,}",
        "not counted" if layer.macs is None else f"{layer.macs:,}",
    )


def role_cells(parameters: Parameters) -> tuple[str, ...]:
    """Trainable parameters, in all and by role, and those that are not trainable."""
    by_role = [f"{parameters.by_role[role]:,}" for role in ROLES]
    return f"{parameters.trainable:,}", *by_role, f"{parameters.non_trainable:,}"


def mac_cells(parameters: Parameters) -> tuple[str, ...]:
    """Multiply-accumulates, in all and by role; `at least` what is counted."""
    at_least = "> " if parameters.not_counted else ""
    by_role = [f"{parameters.macs_by_role[role]:,}" for role in ROLES]
    return f"{at_least}{parameters.macs:,}", *by_role
