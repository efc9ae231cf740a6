"""What the parameters of each model are for."""

from involbench.analysis.comparison import ParameterCounts
from involbench.reporting.labels import label, own_point
from involbench.reporting.plots import plot_parameters
from involbench.reporting.report.material import Material
from involbench.reporting.report.parts import Chart, Section, Table, count
from involbench.results.record import ROLES


def sizes(material: Material) -> Section | None:
    """One chart; None where no run has counts."""
    found: dict[str, tuple[str, ParameterCounts]] = {}
    for each in material.drawn.models:
        if each.parameters is None:
            continue
        name = label(each.model, own_point(each))
        if name in found and found[name][1] != each.parameters:
            name = label(each.model, each.point)
        found.setdefault(name, (each.model, each.parameters))
    if not found:
        return None
    styles = material.styles([(name, model) for name, (model, _) in found.items()])
    by_role = {
        name: {str(role): counts.by_role.get(role, 0) for role in ROLES}
        for name, (_, counts) in found.items()
    }
    chart = Chart(
        "parameters",
        "Trainable parameters by role",
        "Operator: what is exchanged between the models, such as convolution or involution. "
        "Head: the dense layers at the end. The scale is logarithmic.",
        plot_parameters(by_role, styles),
        (_table({name: counts for name, (_, counts) in found.items()}),),
    )
    return Section("parameters", "Parameters", (), (chart,))


def _table(found: dict[str, ParameterCounts]) -> Table:
    titles = ("model", *ROLES, "trainable", "not trainable", "total")
    rows = tuple(
        (
            name,
            *(count(counts.by_role.get(role, 0)) for role in ROLES),
            *map(count, (counts.trainable, counts.non_trainable, counts.total)),
        )
        for name, counts in found.items()
    )
    return Table("Parameters by role; the roles are of trainable ones", titles, rows)
