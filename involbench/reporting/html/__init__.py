"""`report.html`: one experiment on one self-contained page."""

import os
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from involbench import __version__
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.schema import ClaimResult, Comparison
from involbench.reporting.experiment import or_warn
from involbench.reporting.html.assets import UPLOT, chart_styles, policy, scripts
from involbench.reporting.html.classes import classes
from involbench.reporting.html.data import Chart, ReportData, ReportSection, drawn_part
from involbench.reporting.html.facts import facts
from involbench.reporting.html.images import image_list, images
from involbench.reporting.html.interactive import chart_documents
from involbench.reporting.html.models import accuracy, sizes, training
from involbench.reporting.html.runs import Link, failed_runs, first_runs, missing_files, run_row
from involbench.reporting.html.tuning import tuning
from involbench.reporting.notes import notes
from involbench.reporting.plots import drawn
from involbench.reporting.plots.figure import INK
from involbench.reporting.prose import verdicts
from involbench.reporting.tables import Column, Table
from involbench.reporting.tables.cells import heading, label, own_point, result_table, side_by_side
from involbench.reporting.tables.claims import claim_sentence, source_of
from involbench.reporting.tables.comparison import COLUMNS, comparison_rows
from involbench.reporting.tables.runs import statuses
from involbench.reporting.units import counted
from involbench.results.paths import ResultsPath
from involbench.text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_SVG = 150_000
_AS_TEXT = {
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "savefig.transparent": True,
    "svg.fonttype": "none",
}
"""A transparent background, and text that can be selected and uses the fonts of the browser."""
_LINK = "{http://www.w3.org/1999/xlink}href"


def inline(figure: "Figure", name: str, says: str) -> Markup:
    """Turn a figure into an inline SVG, or a PNG if the SVG is too large.

    `name` is unique on the page and prefixes the ids in the SVG. `says` is the alternative text.
    """
    svg = drawn(figure, "svg", _AS_TEXT)
    if len(svg) > _LARGEST_SVG:
        png = b64encode(drawn(figure, "png")).decode()
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        tag = '<img class="paper" src="data:image/png;base64,{}" width="{}" height="{}" alt="{}">'
        return Markup(tag).format(Markup(png), width, height, says)
    return Markup(_embedded(svg, name, says))


def _embedded(svg: bytes, name: str, says: str) -> str:
    """Drop metadata and styles, make ids unique, and use the ink colour of the page."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if not (element.text or "").strip():
            element.text = None
        element.tail = None
        _rename(element.attrib, name)
    width, height = (root.attrib.pop(side) for side in ("width", "height"))
    root.attrib |= {
        "role": "img",
        "aria-label": says,
        "style": f"aspect-ratio: {width[:-2]} / {height[:-2]}",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _rename(attributes: dict[str, str], name: str) -> None:
    if _LINK in attributes:
        attributes["href"] = attributes.pop(_LINK)
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif key == "href" and value.startswith("#"):
            attributes[key] = f"#{name}-{value[1:]}"
        else:
            renamed = value.replace("url(#", f"url(#{name}-")
            attributes[key] = renamed.replace(INK, "var(--ink)")


_MOST_COMPARED = 200
"""Rows of the comparison; beyond that, only the models in the charts are shown."""
_MOST_OTHERS = 9
"""Groups of settings after the first."""
_MOST_NOTES = 100
_MOST_ROWS = 1000
"""Of one table."""
_MOST_FIGURE_BYTES = 4 * 2**20
"""For the whole page."""
_FILES = ("spec.yaml", "comparison.json", "comparison.csv")


@dataclass(frozen=True)
class Drawing:
    """The drawn sections and charts of an experiment."""

    sections: list[ReportSection]
    """In the order of the page."""
    figures: dict[str, Markup]
    """Name of a chart -> its image, or why it has none."""
    warnings: list[str]
    """Charts and sections that could not be drawn, and why."""


def sections_of(report: ReportData, warn: Callable[[str], object]) -> list[ReportSection]:
    """Every section that the experiment has data for, with figures that are not drawn yet."""
    sections = []
    for make in (training, accuracy, sizes, classes, images, tuning):
        with or_warn(f"the report's section on {make.__name__}", warn):
            if (section := make(report)) is not None:
                sections.append(section)
    return sections


def draw(report: ReportData) -> Drawing:
    """Draw every section that the experiment has data for."""
    warnings = list[str]()
    drawing = Drawing(sections_of(report, warnings.append), {}, warnings)
    for chart in _by_importance(drawing.sections):
        _draw_chart(chart, drawing)
    return drawing


def _by_importance(sections: Iterable[ReportSection]) -> list[Chart]:
    """All charts. Those of training, two for each sweep point, come last if the page gets full."""
    ordered = sorted(sections, key=lambda section: section.name == "training")
    return [chart for section in ordered for chart in section.charts]


def _draw_chart(chart: Chart, drawing: Drawing) -> None:
    missing: list[str] = []
    if sum(map(len, drawing.figures.values())) < _MOST_FIGURE_BYTES:
        with or_warn(f"the chart {chart.title!r}", missing.append):
            if chart.images:
                page = template("images.html").render(images=image_list(chart.images))
                drawing.figures[chart.name] = Markup(page)
            else:
                drawing.figures[chart.name] = inline(chart.figure, chart.name, chart.title)
    else:
        missing.append(f"the chart {chart.title!r} is left out: the page would be too large")
    for warning in missing:
        drawing.figures[chart.name] = Markup("<p>{}</p>").format(warning)
        drawing.warnings.append(warning)


def report_page(report: ReportData, drawing: Drawing, output: Path) -> str:
    """One HTML document that loads nothing from elsewhere; its scripts are its own.

    Links to the files of the runs are relative to the folder of `output`.
    """
    comparison, link = report.comparison, _links_from(output)
    files = [report.folder / name for name in _FILES]
    panels = {chart.name: chart.panels for chart in _by_importance(drawing.sections)}
    found = dict(chart_documents(panels))
    charts = {
        chart.name: found[chart.name]
        for section in drawing.sections
        for chart in section.charts
        if chart.name in found
    }
    texts = scripts(with_charts=bool(charts))
    return template("report.html").render(
        title=f"{comparison.experiment}: report",
        experiment=comparison.experiment,
        question=report.question,
        spec=report.spec,
        facts=facts(report),
        run_count=counted(len(report.entries), "run"),
        statuses=statuses(report.entries) if report.entries else "",
        groups=[_group(each) for each in (comparison, *report.others[:_MOST_OTHERS])],
        cautions=[*report.warnings, *drawing.warnings, *failed_runs(report.entries)],
        missing=list(missing_files(report.entries)),
        sections=drawing.sections,
        figures=drawing.figures,
        runs=[run_row(entry, link) for entry in first_runs(report.entries)],
        left_out=[*report.left_out, *_left_out(report)],
        files=[(path.name, link(path)) for path in files if path.exists()],
        version=__version__,
        uplot=UPLOT,
        policy=policy(texts),
        chart_styles=chart_styles() if charts else "",
        scripts=texts,
        data={"models": _models_of(report), "charts": charts},
    )


def _models_of(report: ReportData) -> dict[str, str]:
    """The name of each line and chart of one result -> its model."""
    return {
        visible(label(each.model, point)): visible(each.model)
        for each in report.drawn.models
        for point in (each.point, own_point(each))
    }


def _left_out(report: ReportData) -> Iterator[str]:
    """A sentence for each thing that the page leaves out."""
    experiment, entries = report.comparison.experiment, report.entries
    if len(report.comparison.models) > _MOST_COMPARED:
        yield "The comparison table and the table of every metric show the same models."
    if (groups := len(report.others)) > _MOST_OTHERS:
        yield (
            f"{_MOST_OTHERS + 1} of {groups + 1:,} groups of settings are shown. To see all, run "
            f"`involbench compare {experiment}`."
        )
    if (listed := len(first_runs(entries))) < len(entries):
        yield (
            f"{listed:,} of {len(entries):,} runs are listed, unfinished ones first. To list all, "
            f"run `involbench list {experiment}`; to see one, run `involbench show RUN`."
        )


def comparison_html(comparison: Comparison, metric: str = ACCURACY) -> str:
    """The verdicts and the tables of a comparison, to stand in another page."""
    group = _group(comparison, metric)
    return template("comparison.html").render(title=heading(comparison), group=group)


def _group(comparison: Comparison, metric: str = ACCURACY) -> dict[str, Any]:
    """One group of settings: the verdicts, the tables that `compare` prints, every metric."""
    part = drawn_part(comparison)[0]
    rows = [["" if v is None else v for v in row[1:]] for row in comparison_rows(part)]
    columns = [Column(title, "6") for title in COLUMNS[1:]]
    listed = part if len(comparison.models) > _MOST_COMPARED else comparison
    return {
        **results_of(comparison, metric),
        "tables": [
            Table(*result_table(comparison, results, [metric]), point)
            for point, results in side_by_side(listed)
        ],
        "notes": notes(comparison, [metric])[:_MOST_NOTES],
        "metrics": Table(columns, rows, "Every metric; fractions and seconds"),
    }


def results_of(comparison: Comparison, metric: str = ACCURACY) -> dict[str, Any]:
    """The heading of a group of settings, the verdicts, and the claims split around the source."""
    return {
        "heading": heading(comparison) if comparison.settings else "",
        "summary": _summary(comparison, metric),
        "claims": list(map(_linked, comparison.claims)),
    }


def template(name: str) -> Template:
    """A template of this package; values are escaped, and control characters are visible."""
    environment = Environment(
        loader=PackageLoader("involbench.reporting.html"),
        autoescape=True,
        # Control and invisible characters are made visible in every value on the page.
        finalize=lambda v: visible(v) if isinstance(v, str) and not isinstance(v, Markup) else v,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["html_table"] = _html_table
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template(name)


def _html_table(table: Table) -> dict[str, Any]:
    """Each cell with its text and its number, and whether a column has numbers.

    The title says how many rows are left out.
    """
    title, rows = table.title, table.rows[:_MOST_ROWS]
    if len(rows) < len(table.rows):
        cut = f"the first {_MOST_ROWS:,} of {len(table.rows):,} rows"
        title = f"{title}: {cut}" if title else cut.capitalize()
    numbers = [[cell if isinstance(cell, int | float) else None for cell in row] for row in rows]
    numeric = [any(each is not None for each in column) for column in zip(*numbers, strict=True)]
    texts = replace(table, rows=rows).texts
    return {
        "title": title,
        "columns": zip(table.headings, numeric or [False] * len(table.columns), strict=True),
        "rows": [zip(*row, strict=True) for row in zip(texts, numbers, strict=True)],
    }


def _summary(comparison: Comparison, metric: str) -> list[str]:
    """The verdicts, or why there are none."""
    lines = verdicts(comparison, [metric])
    finished = sum(1 for each in comparison.models if each.n_finished)
    if lines or finished == 0:
        return lines or notes(comparison, [metric])[:1]
    if finished == 1:
        return ["Only one model has finished runs: there is nothing to compare it with."]
    return ["The models cannot be compared; see the notes below the table."]


def _linked(claim: ClaimResult) -> tuple[str, str, str, str]:
    """The sentence of a claim, split around its source, and the URL of the source if any."""
    address = claim.source if claim.source.startswith(("https://", "http://")) else ""
    source = source_of(claim)
    before, _, after = claim_sentence(claim).partition(f"({source})")
    return f"{before}(", source, f"){after}", address


def _links_from(output: Path) -> Link:
    start = os.path.realpath(output.parent)

    def link(path: ResultsPath) -> str:
        folder = os.path.relpath(os.path.realpath(path.parent.path), start)
        return quote(os.fsencode(Path(folder, path.name)))

    return link
