"""The files that stand beside the runs: comparison.json, comparison.csv and the plots."""

from involbench.analysis.compare import compare
from involbench.analysis.comparison import Comparison
from involbench.reporting.histories import histories_of, single_chance
from involbench.reporting.labels import label
from involbench.reporting.notes_on_seeds import collapses
from involbench.reporting.plots import plot_experiment, plot_run, save_figure
from involbench.reporting.style import styles_of
from involbench.reporting.tables_csv import comparison_csv
from involbench.results.files import make_folder, write_atomic, write_json
from involbench.results.locks import locked
from involbench.results.outline import read_outline
from involbench.results.paths import ResultsPath
from involbench.results.reading import ResultsTree, read_history


def write_comparison(tree: ResultsTree, experiment: str) -> Comparison:
    """Compare the runs of an experiment and write what is seen of it into its folder.

    Where several processes end at once, the last to write has seen the runs of all.

    Returns:
        The comparison, with a warning more for each history that could not be read.

    Raises:
        ResultsError: The folder cannot be written.
    """
    with locked(tree.folder(experiment), wait=True):
        return _write_comparison(tree, experiment)


def _write_comparison(tree: ResultsTree, experiment: str) -> Comparison:
    folder = tree.folder(experiment)
    runs, damaged = tree.runs(experiment)
    comparison = compare(experiment, runs, warnings=damaged, outline=read_outline(folder))
    histories, unread = histories_of(comparison.models, runs)
    comparison = comparison.model_copy(update={"warnings": (*comparison.warnings, *unread)})
    write_json(folder / "comparison.json", comparison.model_dump(mode="json"))
    write_atomic(folder / "comparison.csv", comparison_csv([comparison]).encode())
    title = "\n".join([experiment, *_collapsed(comparison)])
    curves = {name: list(by_seed.values()) for name, by_seed in histories.items()}
    if not any(curves.values()):
        return comparison
    styles = styles_of((label(each.model, each.point), each.model) for each in comparison.models)
    chance = single_chance(comparison.models)
    for name, figure in plot_experiment(curves, title, chance, styles).items():
        save_figure(figure, _plots(folder) / name)
    return comparison


def write_run_plots(run_dir: ResultsPath) -> None:
    """Draw the history of one run into its folder.

    Raises:
        ResultsError: There is no history that can be read, or the folder cannot be written.
    """
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
