"""`params` as tables."""

from collections.abc import Mapping

from involbench.reporting.tables.table import Cell, Page, Table
from involbench.results.record import ROLES, LayerParameters, Parameters

_CONVENTION = (
    "MACs: multiply-accumulates for one image in convolutions, dense layers and operators, with "
    "the generation of their kernels. Biases, normalization, activations and pooling are not "
    "counted."
)


def params_page(counted: Mapping[str, Parameters]) -> Page:
    """The layers of each model, then the parameters and the MACs of all models by role."""
    layers = ("layer", "output", "role", "parameters", "MACs")
    tables = [
        Table(layers, [_layer(layer) for layer in parameters.layers], name)
        for name, parameters in counted.items()
    ]
    rows: list[tuple[Cell, ...]] = [
        (name, p.trainable, *(p.by_role[role] for role in ROLES), p.non_trainable)
        for name, p in counted.items()
    ]
    tables.append(Table(("model", "trainable", *ROLES, "non-trainable"), rows))
    macs: list[tuple[Cell, ...]] = [
        (name, _macs(p), *(p.macs_by_role[role] for role in ROLES)) for name, p in counted.items()
    ]
    tables.append(Table(("model", "MACs", *ROLES), macs))
    missing = [
        f"{name}: MACs not counted: {', '.join(parameters.not_counted)}"
        for name, parameters in counted.items()
        if parameters.not_counted
    ]
    return Page(tables, [[*missing, _CONVENTION]])


def _layer(layer: LayerParameters) -> tuple[str | int, ...]:
    output = "x".join("?" if size is None else str(size) for size in layer.output_shape[1:])
    return (
        f"{layer.name} ({layer.layer})",
        output,
        layer.role,
        layer.trainable + layer.non_trainable,
        "not counted" if layer.macs is None else layer.macs,
    )


def _macs(parameters: Parameters) -> str | int:
    """The total; `>` where a layer isn't counted."""
    return f"> {parameters.macs:,}" if parameters.not_counted else parameters.macs
