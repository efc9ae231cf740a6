"""`load` and `Experiment`: the results of an experiment in a script or a notebook."""

import warnings
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from involbench.api.compare import Comparison, compare
from involbench.api.find import find_experiment, find_run
from involbench.api.run_result import Run
from involbench.comparison.compare import compare_stated
from involbench.comparison.metrics import ACCURACY
from involbench.comparison.metrics import metric as metric_called
from involbench.errors import UsageError
from involbench.optional_dependencies import require
from involbench.reporting.integrations import RunRow, epoch_rows, run_columns, run_rows
from involbench.results.files import user_path, write_atomic
from involbench.results.paths import AnyPath
from involbench.results.tree import ResultsTree, StoredRun, read_run
from involbench.text import suggest

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from involbench.reporting.html.data import ReportData


def load(experiment: str | PathLike[str], results: str | PathLike[str] = "results") -> "Experiment":
    """The results of an experiment that was run before, here or elsewhere.

    Args:
        experiment: Its name, such as `"smoke"` or `"reference/cifar10-jpeg"`, or its folder.
        results: The results folder.

    Raises:
        UsageError: There is no such experiment; the message has the nearest name.

    Example:
        >>> import involbench
        >>> experiment = involbench.load("smoke")
        >>> experiment.runs[["model", "seed", "test_accuracy"]]
    """
    tree = ResultsTree(user_path(fspath(results)))
    tree, name = find_experiment(tree, str(user_path(fspath(experiment))))
    return Experiment(tree, name)


class Experiment:
    """The runs of one experiment; made by `involbench.run` and `involbench.load`.

    Files are read when something needs them, and tables and figures only once: `load` reads the
    folder anew. In a notebook an experiment is shown as the table of `involbench compare`.
    """

    def __init__(self, tree: ResultsTree, name: str) -> None:
        self.tree = tree
        """The results folder that it is in."""
        self.name = name
        """Its name in the results folder."""

    @property
    def folder(self) -> Path:
        """`<results>/<name>`."""
        return self.tree.folder(self.name).path

    @cached_property
    def runs(self) -> "pandas.DataFrame":
        """A row for each run that has ended, whatever its status.

        Columns: its settings, status, versions and hardware, then its metrics: accuracies as
        fractions, times in seconds. What was not measured is missing. A file that can't be read
        gives a Python warning.

        Raises:
            UsageError: pandas is not installed.
        """
        return _data_frame([run_columns(row) for row in self._rows])

    @cached_property
    def history(self) -> "pandas.DataFrame":
        """A row for each run and epoch, with `run_id`, `model`, `seed`, `epoch` (from 1) and every
        column of `history.json`: `loss`, `accuracy`, `val_loss`, `val_accuracy`, `seconds`, ...

        Raises:
            UsageError: pandas is not installed.
        """
        return _data_frame(epoch_rows(self._rows))

    @cached_property
    def _rows(self) -> list[RunRow]:
        rows, unreadable = run_rows([(self.tree, self.name)])
        for text in unreadable:
            warnings.warn(f"{self.name}: {text}", stacklevel=5)  # In the code that reads the table.
        return rows

    @property
    def failed(self) -> list[Run]:
        """The runs that ended without a result; `record.error` says why.

        `involbench.run` tries those that failed again.
        """
        runs, _ = self.tree.runs(self.name)
        return [Run(self.name, run) for run in runs if run.record.status != "finished"]

    def run(self, name: str) -> Run:
        """The run whose id is `name`, or begins with it, such as `"cnn-seed0"`.

        Raises:
            UsageError: There is no such run, or more than one.
        """
        _, folder = find_run(self.tree.roots[0], f"{self.name}/{name}")
        return Run(self.name, read_run(folder))

    def best(self, model: str, metric: str = "best_val_accuracy") -> Run:
        """The finished run of a model with the best value of a metric in its record.

        By default validation decides, so that the test accuracy of the run stays fair. Among equal
        runs it is the one with the lowest seed. Of several groups of settings it is the one that
        spec.yaml states.

        Raises:
            UsageError: The model has no finished run, or no run has that metric.
        """
        runs = compare_stated(self.tree, self.name).runs
        runs = tuple(run for run in runs if run.record.status == "finished")
        models = list(dict.fromkeys(run.record.trial.model for run in runs))
        if model not in models:
            raise UsageError(f"{self.name}: no finished run of {model!r}; {suggest(model, models)}")
        found = [run for run in runs if run.record.trial.model == model]
        measured = [run for run in found if run.record.metrics.get(metric) is not None]
        if not measured:
            known = [name for name, value in found[0].record.metrics.items() if value is not None]
            hint = suggest(metric, known)
            raise UsageError(f"{self.name}: no run of {model} has the metric {metric!r}; {hint}")
        sign = 1 if metric_called(metric).better == "lower" else -1

        def order(run: StoredRun) -> tuple[float, int]:
            return sign * (run.record.metrics[metric] or 0.0), run.record.trial.seed

        return Run(self.name, min(measured, key=order))

    def compare(
        self,
        metric: str = ACCURACY,
        baseline: str | None = None,
        paired: bool = False,
        margin: float | None = None,
    ) -> Comparison:
        """How its models differ, as `involbench compare` prints it; see `involbench.compare`."""
        return compare(self, metric=metric, baseline=baseline, paired=paired, margin=margin)

    def report(self, path: str | PathLike[str] | None = None) -> Path:
        """Write the report, one HTML file; returns its path.

        Args:
            path: The file; default: report.html in the folder of the experiment.

        Raises:
            ResultsError: It cannot be written.
        """
        from involbench.reporting.html import draw, report_page

        target: AnyPath = self.tree.folder(self.name) / "report.html"
        if path is not None:
            target = user_path(fspath(path))
        written = target if isinstance(target, Path) else target.path
        page = report_page(self._report, draw(self._report), written)
        write_atomic(target, page.encode(errors="replace"))
        return written

    def plot_accuracy(self) -> "Figure":
        """Accuracy in training and validation over the epochs: each seed, and the mean."""
        return self._figure("accuracy-0")

    def plot_loss(self) -> "Figure":
        """Cross-entropy loss in training and validation over the epochs, in nats."""
        return self._figure("loss-0")

    def plot_seeds(self) -> "Figure":
        """Test accuracy of each seed, with means and 95% intervals."""
        return self._figure("seeds")

    def plot_parameters(self) -> "Figure":
        """Trainable parameters of each model, by role."""
        return self._figure("parameters")

    def plot_sweep(self) -> "Figure":
        """Test accuracy over the first swept key."""
        return self._figure("sweep-0")

    def plot_calibration(self) -> "Figure":
        """Accuracy over the probability of the predicted class."""
        return self._figure("calibration-0")

    def figures(self) -> "dict[str, Figure]":
        """Every figure of the report by its name there, such as `"confusion-0"`.

        What can't be drawn gives a Python warning.
        """
        from involbench.reporting.html import sections_of

        sections = sections_of(self._report, warnings.warn)
        return {chart.name: chart.figure for each in sections for chart in each.charts}

    def _figure(self, name: str) -> "Figure":
        figures = self.figures()
        if name not in figures:
            there = ", ".join(figures) or "none"
            raise UsageError(f"{self.name}: its runs give no figure {name!r}; there are: {there}")
        return figures[name]

    @cached_property
    def _report(self) -> "ReportData":
        from involbench.reporting.html.data import gather

        return gather(self.tree, self.name)

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r} in {self.tree.roots[0]}>"

    def _repr_html_(self) -> str:
        return self.compare()._repr_html_()


def _data_frame(rows: list[dict[str, Any]]) -> "pandas.DataFrame":
    require("a data frame", "pandas")
    import pandas

    return pandas.DataFrame(rows)
