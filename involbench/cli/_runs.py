"""The experiments and runs of a command, and the benchmarks of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from involbench.api import find
from involbench.api.find import find_experiment, roots_of, with_network
from involbench.cli._output import echo, print_json, print_page, warn
from involbench.errors import UsageError
from involbench.results.files import is_folder
from involbench.results.paths import ResultsPath
from involbench.results.tree import ResultsTree

if TYPE_CHECKING:
    from involbench.reporting.tables import Page, Rows
    from involbench.results.benchmarks import Kind, Machine
    from involbench.results.record import Record
    from involbench.workers.protocol import TrainedRun


def find_experiments(
    results: Path | Sequence[Path], names: Sequence[str], published: bool = False
) -> list[tuple[ResultsTree, str]]:
    """The experiments named, or all, each with the tree that it is in.

    Several results folders are read as one. A name can be the path of a folder. `published`: all
    experiments include the published ones. Raises UsageError if nothing is found.
    """
    roots = [results] if isinstance(results, Path) else results
    tree = ResultsTree(*roots)
    if names:
        return [find_experiment(tree, name) for name in dict.fromkeys(names)]
    for text in tree.links():
        warn(f"{text} (skipped)")
    listed = tree.all_experiments() if published else tree.experiments()
    found = [(tree, name) for name in listed]
    if not found:
        missing = "" if any(map(is_folder, roots)) else ", which does not exist"
        references = tree.references()
        others = f", or name a published one: {', '.join(references)}" if references else ""
        raise UsageError(
            f"no results under {roots_of(tree)}{missing}: make some with `involbench run`, "
            f"or point to them with --results DIR{others}"
        )
    return found


def trained_run(results: Path, name: str, needs_weights: bool = True) -> "tuple[str, TrainedRun]":
    """As `involbench.api.find.trained_run`; prints what the user should know of the run."""
    found = find.trained_run(results, name, needs_weights)
    warn(*found[1].caveats)
    return found


def without_hash(run: str) -> str:
    """`EXPERIMENT/<model>-seed<k>`, for the tables of a benchmark."""
    return run.rpartition("-")[0]


def check_test_images(run: "TrainedRun", option: str, wanted: int) -> None:
    """Raise UsageError if the run has fewer test images than wanted."""
    if wanted > run.facts.test_size:
        raise UsageError(f"{option}: the run has {run.facts.test_size} test images")


Named = tuple[str, "TrainedRun"]


def is_experiment(results: Path, name: str) -> bool:
    """Whether it is the name of an experiment, not of a run."""
    return name in ResultsTree(results).all_experiments()


def runs_by_seed(results: Path, experiment: str, needs_weights: bool) -> list[list[Named]]:
    """The finished runs of an experiment, seed by seed, under the names of their models."""
    from involbench.comparison.selection import seed_blocks
    from involbench.reporting.tables.cells import label

    blocks, warnings = seed_blocks(ResultsTree(results), experiment)
    warn(*warnings)
    found = [
        [
            (label(arm.model, arm.point), with_network(run.path, run.record, needs_weights))
            for arm, run in block
        ]
        for block in blocks
    ]
    warn(*(caveat for block in found for _, run in block for caveat in run.caveats))
    return found


def print_benchmark(
    chosen: str, result: "Record", page: "Page", rows: "tuple[Sequence[str], Rows]"
) -> None:
    """Print a benchmark as text, `json`, `csv` or `md`."""
    from involbench.reporting.tables import csv_text, markdown

    match chosen:
        case "json":
            print_json(result)
        case "csv":
            echo(csv_text(*rows), nl=False)
        case "md":
            echo(markdown(page), nl=False)
        case _:
            print_page(page)


def save_benchmark(
    kind: "Kind",
    blocks: "Sequence[tuple[Machine, Mapping[ResultsPath, Mapping[str, float]]]]",
    repeats: int,
    example: str,
    results: Path,
) -> None:
    """Write the metrics of runs into their folders, and update the comparisons.

    Args:
        kind: Which benchmark it was.
        blocks: For each block measured side by side: the machine, and the metrics by run folder.
        repeats: How often each was timed.
        example: One of the metrics, for the message.
        results: The results folder.
    """
    from datetime import UTC, datetime

    from involbench.reporting.experiment import write_comparison
    from involbench.reporting.units import counted
    from involbench.results.benchmarks import BenchmarkMetrics, write_benchmark

    now = datetime.now(UTC).isoformat()
    for index, (machine, metrics) in enumerate(blocks):
        for folder, measured in metrics.items():
            costs = BenchmarkMetrics(
                run_id=folder.name,
                metrics=dict(measured),
                together=f"{now} {index}",
                repeats=repeats,
                machine=machine,
            )
            write_benchmark(folder, kind, costs)
    folders = [folder for _, metrics in blocks for folder in metrics]
    if not folders:
        return
    inside = [folder for folder in folders if folder.root == results]
    for name in sorted({"/".join(folder.parts[:-2]) for folder in inside}):
        write_comparison(ResultsTree(results), name)
    runs = f"folder{'' if len(folders) == 1 else 's'} of {counted(len(folders), 'run')}"
    echo(
        f"saved as benchmark-{kind}.json in the {runs}; "
        f"see `involbench compare EXPERIMENT --metric {example}`",
        err=True,
    )
