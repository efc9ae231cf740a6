"""What `bench model` and `bench export` measure of a results tree, and how they keep it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from involbench.cli.page import echo

if TYPE_CHECKING:
    from involbench.execution.look_requests import TrainedRun
    from involbench.results.benchmark import Machine
    from involbench.results.costs import Kind
    from involbench.results.paths import ResultsPath

Named = tuple[str, "TrainedRun"]


def is_experiment(results: Path, name: str) -> bool:
    """Whether it is the name of an experiment, not of a run."""
    from involbench.results.reading import ResultsTree

    tree = ResultsTree(results)
    return name in (*tree.experiments(), *tree.references())


def runs_by_seed(results: Path, experiment: str, needs_weights: bool) -> list[list[Named]]:
    """The finished runs of an experiment, seed by seed, under the names of their models.

    Raises:
        UsageError: No seed has a finished run of every model, or a network is gone.
        ResultsError: The experiment cannot be read.
    """
    from involbench.analysis.seed_blocks import seed_blocks
    from involbench.cli.page import warn
    from involbench.cli.trained_run import with_network
    from involbench.reporting.labels import label
    from involbench.results.reading import ResultsTree

    blocks, warnings = seed_blocks(ResultsTree(results), experiment)
    for warning in warnings:
        warn(warning)
    return [
        [
            (label(arm.model, arm.point), with_network(run.path, run.record, needs_weights))
            for arm, run in block
        ]
        for block in blocks
    ]


def keep(
    kind: "Kind",
    blocks: "Sequence[tuple[Machine, Mapping[ResultsPath, Mapping[str, float]]]]",
    repeats: int,
    example: str,
    results: Path,
) -> None:
    """Write what was measured of runs into their folders, and tell how to see it again.

    The comparisons that lie in the folders of their experiments are brought up to date.

    Args:
        kind: Which benchmark it was.
        blocks: What was measured side by side: the machine, and the metrics by run folder.
        repeats: How often each was timed.
        example: One of the metrics.
        results: The results folder.

    Raises:
        ResultsError: A folder cannot be written.
    """
    from datetime import UTC, datetime

    from involbench.reporting.experiment import write_comparison
    from involbench.results.costs import RunCosts, write_costs
    from involbench.results.reading import ResultsTree

    now = datetime.now(UTC).isoformat()
    for index, (machine, metrics) in enumerate(blocks):
        for folder, measured in metrics.items():
            costs = RunCosts(
                run_id=folder.name,
                metrics=dict(measured),
                together=f"{now} {index}",
                repeats=repeats,
                machine=machine,
            )
            write_costs(folder, kind, costs)
    folders = [folder for _, metrics in blocks for folder in metrics]
    if not folders:
        return
    inside = [folder for folder in folders if folder.root == results]
    for name in sorted({"/".join(folder.parts[:-2]) for folder in inside}):
        write_comparison(ResultsTree(results), name)
    runs = f"folder{'' if len(folders) == 1 else 's'} of {len(folders)}"
    echo(
        f"kept as benchmark-{kind}.json in the {runs} run{'' if len(folders) == 1 else 's'}; "
        f"see `involbench compare EXPERIMENT --metric {example}`",
        err=True,
    )
