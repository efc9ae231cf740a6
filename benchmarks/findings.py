"""Write docs/findings.md: what the published results say so far.

Run: python -m benchmarks.findings
"""

from pathlib import Path
from typing import get_args

from involbench.comparison.compare import compare_experiment
from involbench.comparison.metrics import ACCURACY, SIZE, MetricSelection, metric
from involbench.comparison.schema import ClaimResult, ClaimVerdict, Comparison
from involbench.reporting.tables import Table, markdown, markdown_table
from involbench.reporting.tables.cells import COSTS
from involbench.reporting.tables.claims import VERDICTS, source_of
from involbench.reporting.tables.comparison import comparison_page
from involbench.results.tree import ResultsTree, read_question
from involbench.spec.claims import OURS
from involbench.text import coordinates, located

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "findings.md"
HEAD = """\
# Findings

What the published results under `results/reference/` say so far, and no more than they bear.
`make docs` writes this page from them. Each verdict is about the networks, the data and the
training of its experiment, and about nothing larger. Accuracies are those of the runs that learned;
runs that never left chance are compared as a share.

The images of those named `-jpeg` are CIFAR-10 re-encoded as JPEG (see
[results/reference](../results/reference/README.md)), so that no accuracy here is one on CIFAR-10
itself. Times were measured while other work ran on the machine.

A verdict holds for the setting in which the claim was tested here, which stands with its numbers
below. The words of a claim are those of its source, which may have tested something else: its
setting stands beside it. Claims on counts are arithmetic. Claims on times and sizes are measured on
one machine, and get a verdict where all runs agree. All others are learned, and tested over seeds.

A run has collapsed where its validation accuracy was at chance after every epoch, and its training
accuracy after the last. Except in `kernel_size`, `pythonguides` and `residual_involution`, the
validation was on the test images.
"""


def document() -> str:
    """The page."""
    tree = ResultsTree(ROOT / "results")
    comparisons = {name: _compared(tree, name) for name in tree.references()}
    parts = [HEAD, "## Claims", _claims(comparisons)]
    for name, comparison in comparisons.items():
        page = comparison_page(comparison, metrics=_metrics(comparison), full=True)
        _, _, body = markdown(page).partition("\n\n")
        warned = "".join(f"\n- Warning: {warning}." for warning in comparison.warnings)
        parts += [f"## {_short(name)}", read_question(tree.folder(name)), body.strip() + warned]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _compared(tree: ResultsTree, name: str) -> Comparison:
    wanted = compare_experiment(tree, name, selection=MetricSelection(frozenset(), frozenset()))
    metrics = frozenset([*_metrics(wanted), SIZE])
    return compare_experiment(tree, name, selection=MetricSelection(metrics | {*COSTS}, metrics))


def _metrics(comparison: Comparison) -> tuple[str, ...]:
    """Those of the claims that differ from seed to seed, after accuracy."""
    claimed = (claim.metric for claim in comparison.claims)
    return tuple(dict.fromkeys([ACCURACY, *(m for m in claimed if not metric(m).exact)]))


def _claims(comparisons: dict[str, Comparison]) -> str:
    """Each claim and its verdict; the numbers are with its experiment."""
    rows = [
        (VERDICTS[verdict], claim.says, claim.kind, _measured(claim), *_said(claim), _link(name))
        for verdict in get_args(ClaimVerdict)
        for name, comparison in comparisons.items()
        for claim in comparison.claims
        if claim.verdict == verdict
    ]
    if not rows:
        return "None of the experiments published so far states one."
    titles = ("verdict", "claim", "kind", "tested as", "source", "setting there", "experiment")
    return markdown_table(Table(titles, rows, labels=len(titles)))


def _measured(claim: ClaimResult) -> str:
    """What the verdict is about, which may be less than what is said."""
    ratio = f"{claim.ratio:g} x " if claim.ratio is not None else ""
    difference = f" + {claim.difference:g}" if claim.difference is not None else ""
    title = located(metric(claim.metric).title, claim.at)
    if claim.interaction:
        at, other = map(coordinates, claim.interaction)
        return f"{title}: {claim.greater} - {claim.lesser} at {at} > at {other}{difference}"
    apart = f" ({coordinates(claim.lesser_at)})" if claim.lesser_at else ""
    return f"{title}: {claim.greater} > {ratio}{claim.lesser}{apart}{difference}"


def _said(claim: ClaimResult) -> tuple[str, str]:
    """Who says it, and what was tested there."""
    return source_of(claim), "" if claim.source == OURS else claim.setting or "not stated"


def _link(name: str) -> str:
    return f"[{_short(name)}](#{_short(name)})"


def _short(name: str) -> str:
    return name.removeprefix("reference/")


def main() -> None:
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(DOCUMENT.relative_to(ROOT))


if __name__ == "__main__":
    main()
