"""Finding the experiments and runs that the user names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from involbench.cli._options import all_experiments
from involbench.cli._output import echo, print_json, print_page, warn
from involbench.errors import ResultsError, UsageError
from involbench.results.files import is_folder
from involbench.results.paths import LinkRefused, ResultsPath
from involbench.results.tree import ResultsTree
from involbench.text import excerpt, first_of, nearest_names, suggest

if TYPE_CHECKING:
    from involbench.reporting.tables import Page, Rows
    from involbench.results.benchmarks import Kind, Machine
    from involbench.results.record import Record, RunRecord
    from involbench.spec.trial import Trial
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
        return [_find(tree, name) for name in dict.fromkeys(names)]
    for text in tree.links():
        warn(f"{text} (skipped)")
    listed = all_experiments(tree) if published else tree.experiments()
    found = [(tree, name) for name in listed]
    if not found:
        missing = "" if any(map(is_folder, roots)) else ", which does not exist"
        references = tree.references()
        others = f", or name a published one: {', '.join(references)}" if references else ""
        raise UsageError(
            f"no results under {_listed(tree)}{missing}: make some with `involbench run`, "
            f"or point to them with --results DIR{others}"
        )
    return found


def _find(tree: ResultsTree, name: str) -> tuple[ResultsTree, str]:
    place = Path(name)
    inside = [place, *(place.relative_to(r) for r in tree.roots if place.is_relative_to(r))]
    for each in map(Path.as_posix, inside):
        if _is_experiment(tree, each):
            return tree, each
    if is_folder(place / "runs"):
        named = place.resolve()
        return ResultsTree(named.parent), named.name
    hint = suggest(name, all_experiments(tree))
    raise UsageError(f"no experiment {name!r} under {_listed(tree)}; {hint}")


def _is_experiment(tree: ResultsTree, name: str) -> bool:
    """Whether the tree has an experiment of this name. Raises LinkRefused for a link."""
    try:
        with (tree.folder(name) / "runs").opened():
            return True
    except LinkRefused:
        raise
    except (OSError, ValueError, ResultsError):
        return False


def _listed(tree: ResultsTree) -> str:
    return " and ".join(map(str, tree.roots))


_MOST_NAMED = 4
Found = tuple[str, ResultsPath]
"""The name of an experiment, and the folder of one of its runs."""


def find_run(results: Path, name: str) -> Found:
    """The run named by its folder or by the beginning of its id, with or without `EXPERIMENT/`.

    Raises UsageError if there is no such run, or more than one.
    """
    by_path = _at_path(results, Path(name))
    if by_path is not None:
        return by_path
    experiment, _, start = name.rstrip("/").rpartition("/")
    known = _runs(ResultsTree(results), experiment.removesuffix("/runs"))
    found = _best(known, start)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{excerpt(name)!r} stands for {len(found)} runs: {_some(found)}")
    its = _runs_of(results, name.rstrip("/"))
    hint = f"there are {_some(its)}" if its else _hint(known, start)
    raise UsageError(f"no run {excerpt(name)!r} under {results}; {hint}")


def _at_path(results: Path, path: Path) -> Found | None:
    folder = path.parent if path.name == "run.json" else path
    if not is_folder(folder) or folder.resolve().parent.name != "runs":
        return None
    if folder.absolute().is_relative_to(results.absolute()) and ".." not in folder.parts:
        below = folder.absolute().relative_to(results.absolute())
        found = ResultsPath(results, below.parts)
        with found.opened():  # Or there is a link on the way to it.
            if len(below.parts) > 2 and below.parent.name == "runs":
                return below.parents[1].as_posix(), found
    runs = folder.resolve().parent
    place, root = runs.parent, results.resolve()
    if place != root and place.is_relative_to(root):
        experiment = place.relative_to(root)
        inside = (*experiment.parts, runs.name, folder.resolve().name)
        return experiment.as_posix(), ResultsPath(results, inside)
    inside = (place.name, runs.name, folder.resolve().name)
    return place.name, ResultsPath(place.parent, inside)


def _runs(tree: ResultsTree, experiment: str) -> list[Found]:
    """Those of one experiment, or of all if it is empty."""
    chosen = [name for name in all_experiments(tree) if experiment in ("", name)]
    return [(name, folder) for name in chosen for folder in tree.run_folders(name)[0]]


def _best(known: list[Found], start: str) -> list[Found]:
    """The runs of this id; or those of this model and seed; or all that begin so."""
    if not start:
        return []
    for beginning in (f"{start} ", f"{start}-", start):
        found = [run for run in known if f"{run[1].name} ".startswith(beginning)]
        if found:
            return found
    return []


def _runs_of(results: Path, name: str) -> list[Found]:
    """The runs of an experiment, by its name or folder; none if it is no experiment."""
    try:
        ((tree, experiment),) = find_experiments(results, [name])
    except UsageError:
        return []
    return _runs(tree, experiment)


def _hint(known: list[Found], start: str) -> str:
    names = {folder.name.rpartition("-")[0]: (name, folder) for name, folder in known}
    names |= {folder.name: (name, folder) for name, folder in known}
    close = nearest_names(start, names, _MOST_NAMED)
    near = list(dict.fromkeys(names[name] for name in close))
    if near:
        return f"did you mean {_some(near)}?"
    return f"there are {_some(known)}" if known else "there are none; `involbench list` shows all"


def _some(runs: list[Found]) -> str:
    return first_of([f"{experiment}/{folder.name}" for experiment, folder in runs], _MOST_NAMED)


def trained_run(results: Path, name: str, needs_weights: bool = True) -> "tuple[str, TrainedRun]":
    """The finished run named (see `find_run`), as `EXPERIMENT/ID` and with where its network is."""
    from involbench.results.run_index import read_entry

    experiment, folder = find_run(results, name)
    entry = read_entry(experiment, folder)
    full_name, record = f"{experiment}/{entry.run_id}", entry.record
    if record is None or record.data is None or entry.status != "finished":
        raise UsageError(f"{full_name} is {entry.status}: it has no trained network to look at")
    return full_name, with_network(folder, record, needs_weights)


def without_hash(run: str) -> str:
    """`EXPERIMENT/<model>-seed<k>`, for the tables of a benchmark."""
    return run.rpartition("-")[0]


def with_network(
    folder: "ResultsPath", record: "RunRecord", needs_weights: bool = True
) -> "TrainedRun":
    """A finished run and its network.

    Raises UsageError if its weights are needed and gone, or its plugins are not imported.
    """
    from involbench.workers.protocol import TrainedRun

    warn(*changed_plugins(folder.name, record.trial))
    weights = folder / "model.keras"
    if needs_weights:
        _check_weights(weights, record.files.get(weights.name))
    return TrainedRun(record, weights)


def changed_plugins(run: str, trial: "Trial") -> list[str]:
    """A warning for each plugin of a run that is not the same file any more.

    Raises UsageError if one is not imported.
    """
    from involbench.plugins import load_installed
    from involbench.spec.trial import plugins_of

    if not trial.plugins:
        return []
    now = plugins_of(trial.architecture, trial.data)
    if trial.plugins.keys() - now.keys() and load_installed():
        now = plugins_of(trial.architecture, trial.data)
    for name in trial.plugins.keys() - now.keys():
        what = f"--plugin {name}" if name.endswith(".py") else f"the package of {name}"
        raise UsageError(f"{run} needs a plugin that is not imported; add {what}")
    return [
        f"{run} was trained with another version of {name}; its weights may not fit this one"
        for name, sha256 in trial.plugins.items()
        if now[name] != sha256
    ]


def _check_weights(path: "ResultsPath", size: int | None) -> None:
    """Check that the file is there, and of the size that was written."""
    again = "`involbench run` with its spec trains it again"
    if path.kind() != "file":
        what = "is a link" if path.kind() == "link" else "no such file"
        raise UsageError(f"{path}: {what}, so there is no trained network; {again}")
    found = path.status().st_size
    if size is not None and found != size:
        raise UsageError(f"{path}: damaged: it has {found} bytes and had {size}; {again}")


def check_test_images(run: "TrainedRun", option: str, wanted: int) -> None:
    """Raise UsageError if the run has fewer test images than wanted."""
    if wanted > run.facts.test_size:
        raise UsageError(f"{option}: the run has {run.facts.test_size} test images")


Named = tuple[str, "TrainedRun"]


def is_experiment(results: Path, name: str) -> bool:
    """Whether it is the name of an experiment, not of a run."""
    return name in all_experiments(ResultsTree(results))


def runs_by_seed(results: Path, experiment: str, needs_weights: bool) -> list[list[Named]]:
    """The finished runs of an experiment, seed by seed, under the names of their models."""
    from involbench.comparison.selection import seed_blocks
    from involbench.reporting.tables.cells import label

    blocks, warnings = seed_blocks(ResultsTree(results), experiment)
    warn(*warnings)
    return [
        [
            (label(arm.model, arm.point), with_network(run.path, run.record, needs_weights))
            for arm, run in block
        ]
        for block in blocks
    ]


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
        f"kept as benchmark-{kind}.json in the {runs}; "
        f"see `involbench compare EXPERIMENT --metric {example}`",
        err=True,
    )
