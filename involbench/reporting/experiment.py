"""Write the files of an experiment: comparison.json, comparison.csv and plots."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from involbench.comparison.compare import compare
from involbench.comparison.schema import Comparison, ModelResult
from involbench.comparison.validity import validated_on
from involbench.errors import InvolbenchError, ResultsError
from involbench.reporting.notes import collapses
from involbench.reporting.tables.cells import heading, label
from involbench.reporting.tables.comparison import comparison_csv, comparison_document
from involbench.results.files import make_folder, write_atomic, write_json
from involbench.results.paths import ResultsPath
from involbench.results.record import History
from involbench.results.store import locked
from involbench.results.tree import ResultsTree, StoredRun, read_history, read_spec_summary
from involbench.text import excerpt

Histories = dict[str, dict[int, History]]
"""Model with its coordinates -> seed -> history."""


@contextmanager
def or_warn(what: str, warn: Callable[[str], object]) -> Iterator[None]:
    """Turn any error in drawing or writing plots into a warning; the command goes on.

    Import `involbench.reporting.plots` inside the `with`: the import of matplotlib can fail too.
    """
    try:
        yield
    except Exception as error:
        known = isinstance(error, InvolbenchError)
        cause = str(error) if known else f"{type(error).__name__}: {error}"
        warn(f"{what} cannot be drawn: {excerpt(cause)}")


def histories_of(
    results: Sequence[ModelResult], runs: Sequence[StoredRun], most: int | None = None
) -> tuple[Histories, list[str]]:
    """Read the histories of each row, of at most `most` seeds; also warnings."""
    by_id = {run.record.run_id: run for run in runs}
    found: Histories = {}
    unread = []
    for result in results:
        histories = found.setdefault(label(result.model, result.point), {})
        for seed, run_id in islice(result.runs.items(), most):
            try:
                histories[seed] = by_id[run_id].history()
            except ResultsError as error:
                unread.append(f"{error} (left out of the plots)")
    return found, unread


LINE_ENDS = ("", " at chance")
"""After the name of a model, the name of the line of its runs that learned, or that did not."""


def curves_of(
    results: Mapping[str, ModelResult], histories: Mapping[str, Mapping[int, History]]
) -> tuple[dict[str, dict[int, History]], list[tuple[str, str]]]:
    """The histories of each line of a plot, by seed; and its (name, model), for the styles.

    Runs that never left chance have a line of their own, `inn at chance`, so that no mean is over
    both kinds.
    """
    curves, lines = dict[str, dict[int, History]](), list[tuple[str, str]]()
    for name, result in results.items():
        for seed, history in histories.get(name, {}).items():
            line = name + LINE_ENDS[seed in result.collapsed_seeds]
            curves.setdefault(line, {})[seed] = history
        owned = (name + end for end in LINE_ENDS)
        lines += [(line, result.model) for line in owned if line in curves]
    return curves, lines


def single_chance(results: Sequence[ModelResult]) -> float | None:
    """The accuracy of guessing, if it is the same for all models."""
    chances = {result.chance for result in results}
    return chances.pop() if len(chances) == 1 else None


def write_comparison(tree: ResultsTree, experiment: str) -> list[Comparison]:
    """Compare the runs of an experiment and write the results and plots into its folder.

    A lock ensures that the last of several processes to write has read the runs of all. The plots
    show the group of settings with the most runs.

    Returns:
        The comparison of each group of settings. The first has extra warnings for histories that
        could not be read and plots that could not be drawn.

    Raises:
        ResultsError: The folder cannot be written.
    """
    with locked(tree.folder(experiment), wait=True):
        return _write_comparison(tree, experiment)


def _write_comparison(tree: ResultsTree, experiment: str) -> list[Comparison]:
    folder = tree.folder(experiment)
    runs, damaged = tree.runs(experiment)
    groups = compare(experiment, runs, warnings=damaged, spec=read_spec_summary(folder))
    comparison = groups[0].comparison
    histories, unread = histories_of(comparison.models, groups[0].runs)
    comparison = comparison.model_copy(update={"warnings": (*comparison.warnings, *unread)})
    comparisons = [comparison, *(group.comparison for group in groups[1:])]
    write_json(folder / "comparison.json", comparison_document(comparisons))
    write_atomic(folder / "comparison.csv", comparison_csv(comparisons).encode())
    title = "\n".join([heading(comparison), *collapses(comparison, most_runs=2)])
    named = {label(each.model, each.point): each for each in comparison.models}
    curves, lines = curves_of(named, histories)
    if not curves:
        return comparisons
    chance = single_chance(comparison.models)
    failures: list[str] = []
    with or_warn(f"the plots of {experiment}", failures.append):
        from involbench.reporting.plots import plot_experiment, save_figure, styles_of

        drawn = {name: list(by_seed.values()) for name, by_seed in curves.items()}
        styles, on = styles_of(lines), validated_on(comparison.models)
        figures = plot_experiment(drawn, title, chance, styles, validated_on=on)
        for name, figure in figures.items():
            save_figure(figure, _plots_folder(folder) / name)
    warned = {"warnings": (*comparison.warnings, *failures)}
    return [comparison.model_copy(update=warned), *comparisons[1:]]


def write_run_plots(run_dir: ResultsPath, validated_on: str = "validation") -> None:
    """Draw the history of one run into its folder; for `validated_on` see `plot_run`."""
    from involbench.reporting.plots import plot_run, save_figure

    figures = plot_run(read_history(run_dir), run_dir.name, validated_on)
    for name, figure in figures.items():
        save_figure(figure, _plots_folder(run_dir) / name)


def _plots_folder(folder: ResultsPath) -> ResultsPath:
    make_folder(folder / "plots")
    return folder / "plots"
