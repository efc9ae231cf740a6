"""A folder of pages: an index of experiments with their results, the reports, and the records."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from involbench import __version__
from involbench.reporting.experiment import or_warn
from involbench.reporting.html import draw, report_page, results_of, template
from involbench.reporting.html.assets import policy
from involbench.reporting.html.data import ReportData, gather
from involbench.reporting.tables.comparison import comparison_csv, comparison_document
from involbench.reporting.tables.runs import statuses
from involbench.reporting.units import counted
from involbench.results.files import remove_tree, write_atomic, write_json
from involbench.results.merge import Merged, merge
from involbench.results.paths import ResultsPath
from involbench.results.tree import ResultsTree

_RECORDS = re.compile(
    r"(run|history|parameters|benchmark-(model|export))\.json|history\.csv"
    r"|(predictions|kernels)\.npz"
)
"""Files of a run that are published; weights, logs and exports are not."""


def publish(
    sources: Sequence[Path],
    target: Path,
    title: str,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Merged:
    """Write a site that loads nothing from elsewhere, for any static host or to open from disk.

    `index.html` has the results of each experiment and a link to its report; beside the report lie
    the spec, the comparison, and the records of the runs without weights.

    Args:
        sources: Results folders.
        target: A folder that does not exist, or is empty.
        title: The heading of the index.
        progress: Called with what is done, of what number, and of how many.

    Raises:
        UsageError: A source has no experiment, or the target is not empty.
        ResultsError: The target cannot be written.
    """
    merged = merge(
        sources,
        target,
        lambda done, total: progress("run", done, total),
        lambda name: _RECORDS.fullmatch(name) is not None,
    )
    tree = ResultsTree(target)
    try:
        names, sections = tree.all_experiments(), []
        for done, name in enumerate(names):
            progress("report", done, len(names))
            with or_warn(f"{name}: the report", merged.left_out.append):
                report = gather(tree, name)
                _write_report(tree.folder(name), report, merged)
                sections.append(_section(name, report))
        page = template("index.html").render(
            title=title,
            sections=sections,
            version=__version__,
            policy=policy(),
            chart_styles="",
        )
        write_atomic(ResultsPath(target) / "index.html", page.encode(errors="replace"))
    except BaseException:
        remove_tree(target)
        raise
    return merged


def _write_report(folder: ResultsPath, report: ReportData, merged: Merged) -> None:
    comparisons, drawing = [report.comparison, *report.others], draw(report)
    write_json(folder / "comparison.json", comparison_document(comparisons))
    write_atomic(folder / "comparison.csv", comparison_csv(comparisons).encode())
    path = folder / "report.html"
    write_atomic(path, report_page(report, drawing, path.path).encode(errors="replace"))
    merged.left_out += [f"{report.comparison.experiment}: {text}" for text in drawing.warnings]


def _section(name: str, report: ReportData) -> dict[str, object]:
    return {
        "name": name,
        "address": f"{quote(name)}/report.html",
        "question": report.question,
        "runs": counted(len(report.entries), "run"),
        "statuses": statuses(report.entries) if report.entries else "",
        "groups": [results_of(each) for each in (report.comparison, *report.others)],
    }
