"""The files that stand beside the runs: comparison.json, comparison.csv and the plots."""

from involbench.analysis.compare import compare
from involbench.analysis.comparison import Comparison
from involbench.reporting.histories import histories_of, single_chance
from involbench.reporting.labels import heading, label
from involbench.reporting.notes_on_seeds import collapses
from involbench.reporting.plot_warnings import or_warn
from involbench.reporting.style import styles_of
from involbench.reporting.tables_csv import comparison_csv
from involbench.reporting.tables_json import comparison_document
from involbench.results.files import make_folder, write_atomic, write_json
from involbench.results.locks import locked
from involbench.results.outline import read_outline
from involbench.results.paths import ResultsPath
from involbench.results.reading import ResultsTree, read_history


def write_comparison(tree: ResultsTree, experiment: str) -> list[Comparison]:
    """Compare the runs of an experiment and write what is seen of it into its folder.

    Where several processes end at once, the last to write has seen the runs of all. The plots are
    those of the group of settings with the most runs.

    Returns:
        The comparison of each group of settings, the first with a warning more for each history
        that could not be read, and for plots that could not be drawn.

    Raises:
        ResultsError: The folder cannot be written.
    """
    with locked(tree.folder(experiment), wait=True):
        return _write_comparison(tree, experiment)


def _write_comparison(tree: ResultsTree, experiment: str) -> list[Comparison]:
    folder = tree.folder(experiment)
    runs, damaged = tree.runs(experiment)
    groups = compare(experiment, runs, warnings=damaged, outline=read_outline(folder))
    comparison = groups[0].comparison
    histories, unread = histories_of(comparison.models, groups[0].runs)
    comparison = comparison.model_copy(update={"warnings": (*comparison.warnings, *unread)})
    comparisons = [comparison, *(group.comparison for group in groups[1:])]
    write_json(folder / "comparison.json", comparison_document(comparisons))
    write_atomic(folder / "comparison.csv", comparison_csv(comparisons).encode())
    title = "\n".join([heading(comparison), *_collapsed(comparison)])
    curves = {name: list(by_seed.values()) for name, by_seed in histories.items()}
    if not any(curves.values()):
        return comparisons
    styles = styles_of((label(each.model, each.point), each.model) for each in comparison.models)
    chance = single_chance(comparison.models)
    failures: list[str] = []
    with or_warn(f"the plots of {experiment}", failures.append):
        from involbench.reporting.plots import plot_experiment, save_figure

        for name, figure in plot_experiment(curves, title, chance, styles).items():
            save_figure(figure, _plots(folder) / name)
    warned = {"warnings": (*comparison.warnings, *failures)}
    return [comparison.model_copy(update=warned), *comparisons[1:]]


def write_run_plots(run_dir: ResultsPath) -> None:
    """Draw the history of one run into its folder.

    Raises:
        ResultsError: There is no history that can be read, or the folder cannot be written.
    """
    from involbench.reporting.plots import plot_run, save_figure

    for name, figure in plot_run(read_history(run_dir), run_dir.name).items():
        save_figure(figure, _plots(run_dir) / name)


def _collapsed(comparison: Comparison) -> list[str]:
    """What a picture must say of the lines that stay at chance."""
    runs = sum(len(result.collapsed_seeds) for result in comparison.models)
    if runs > 2:
        return [f"{runs} runs collapsed: their accuracy never left chance"]
    return collapses(comparison)


def _plots(folder: ResultsPath) -> ResultsPath:
    make_folder(folder / "plots")
    return folder / "plots"
