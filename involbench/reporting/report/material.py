"""All that the report of an experiment is made from, read from the results tree."""

from collections.abc import Sequence
from dataclasses import dataclass

from involbench.analysis.compare import compare
from involbench.analysis.comparison import Comparison, ModelResult
from involbench.errors import ResultsError
from involbench.reporting.histories import Histories, histories_of, single_chance
from involbench.reporting.labels import label, own_point, side_by_side, warnings_of
from involbench.reporting.report.drawn import MOST_SEEDS, drawn_part
from involbench.reporting.report.judged import Judged, judged_of
from involbench.reporting.report.shown import Shown, shown_of
from involbench.reporting.style import Styles, styles_of
from involbench.results.catalog import RunEntry, read_entries
from involbench.results.files import read_bytes
from involbench.results.lasting import lasting
from involbench.results.limits import SPEC
from involbench.results.outline import read_outline, read_question
from involbench.results.paths import ResultsPath
from involbench.results.reading import ResultsTree


@dataclass(frozen=True)
class Material:
    """One experiment."""

    folder: ResultsPath
    question: str
    """Empty where the spec does not say it."""
    spec: str
    """Its text; empty where there is none that can be read."""
    comparison: Comparison
    """Of the group of settings with the most runs, of which the charts are drawn."""
    drawn: Comparison
    """The part of it that the charts show."""
    left_out: tuple[str, ...]
    """What they do not show of it."""
    others: tuple[Comparison, ...]
    """Those of the other groups."""
    histories: Histories
    judged: dict[str, Judged]
    """Model with its coordinates -> what its networks said of the test images."""
    shown: list[Shown]
    """What the networks said of the images kept, at the first sweep points."""
    entries: list[RunEntry]
    warnings: tuple[str, ...]
    """What could not be read, and what makes the comparison less fair than it looks."""

    @property
    def chance(self) -> float | None:
        """The accuracy of a guess, where it is the same for all models."""
        return single_chance(self.comparison.models)

    def styles(self, lines: list[tuple[str, str]]) -> Styles:
        """The styles of lines, (name, model) each: a model's colour is the same in all charts."""
        return styles_of(lines, dict.fromkeys(each.model for each in self.drawn.models))

    def places(self) -> list[tuple[str, dict[str, ModelResult]]]:
        """The results of each sweep point by their names there, and what is swept, if it is."""
        return [
            (heading, {label(each.model, own_point(each)): each for each in results})
            for heading, results in side_by_side(self.drawn)
        ]


@lasting()
def gather(tree: ResultsTree, experiment: str, overrides: Sequence[str] = ()) -> Material:
    """Read an experiment. What is damaged or missing is a warning.

    Args:
        tree: Where it is.
        experiment: Its name.
        overrides: `KEY=VALUE` each: only runs with these settings are compared.

    Raises:
        ResultsError: The experiment's folder cannot be listed.
        UsageError: No run has the settings.
    """
    folder = tree.folder(experiment)
    runs, damaged = tree.runs(experiment)
    known = {run.path: run.record for run in runs}
    outline = read_outline(folder)
    with tree.kept_open(experiment):
        groups = compare(experiment, runs, warnings=damaged, outline=outline, overrides=overrides)
    comparison, runs = groups[0].comparison, list(groups[0].runs)
    comparisons = [group.comparison for group in groups]
    drawn, left_out = drawn_part(comparison)
    with tree.kept_open(experiment):
        histories, unread = histories_of(drawn.models, runs, MOST_SEEDS)
        judged, unjudged = judged_of(drawn.models, runs, MOST_SEEDS)
        shown, unshown = shown_of(drawn, runs, folder)
    entries, skipped = read_entries(tree, experiment, known)
    return Material(
        folder,
        read_question(folder),
        _text(folder / "spec.yaml"),
        comparison,
        drawn,
        tuple(left_out),
        tuple(comparisons[1:]),
        histories,
        judged,
        shown,
        entries,
        tuple(dict.fromkeys([*warnings_of(comparisons), *unread, *unjudged, *unshown, *skipped])),
    )


def _text(path: ResultsPath) -> str:
    try:
        return read_bytes(path, SPEC).decode(errors="replace")
    except ResultsError:
        return ""
