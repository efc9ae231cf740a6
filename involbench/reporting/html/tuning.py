"""The section on what `tune` chose for each model, and from which candidates."""

from involbench.reporting.html.data import ReportData, ReportSection
from involbench.reporting.tables import Column, Table
from involbench.reporting.tables.cells import label
from involbench.reporting.units import percent
from involbench.results.tuning import Choice, Tuning


def tuning(report: ReportData) -> ReportSection | None:
    """A sentence for each choice, and a table of its candidates; None where nothing was tuned."""
    choices = [(each, tuning) for tuning in report.tunings for each in tuning.choices]
    if not choices:
        return None
    says = [f"{choice.summary}." for choice, _ in choices]
    tables = [_table(choice, tuning) for choice, tuning in choices]
    return ReportSection("tuning", "Tuning", tuple(says), (), tuple(tables))


def _table(choice: Choice, tuning: Tuning) -> Table:
    rows = [
        (
            each.name + (" (chosen)" if each.values == choice.values else ""),
            *(percent(each.by_seed.get(seed), unit="") for seed in tuning.seeds),
            percent(each.mean, unit=""),
        )
        for each in choice.candidates
    ]
    seeds = (Column(f"seed {seed}") for seed in tuning.seeds)
    title = f"{label(choice.model, choice.point)}: validation accuracy in percent"
    return Table((", ".join(choice.values), *seeds, "mean"), rows, title)
