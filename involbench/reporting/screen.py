"""The screens that a run can have: a live table, plain lines, or none."""

from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from involbench.execution.messages import Event, Notice, Planned, Progress, SeedEnded, TrialEnded
from involbench.reporting.progress import (
    Standing,
    duration,
    epoch_line,
    plan_line,
    seed_line,
    trial_line,
)
from involbench.results.progress import EpochReport


class PlainScreen:
    """A line an epoch, a trial and a seed; for pipes and logs.

    Args:
        console: Where the lines go.
        baseline: The model that the others are held against.
    """

    def __init__(self, console: Console, baseline: str) -> None:
        self._console = console
        self._standing = Standing()
        self._baseline = baseline
        self._decile: tuple[str, int] = ("", -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """Take in one event, and show what it changes."""
        self._standing.update(event)
        match event:
            case EpochReport():
                self._epoch(event)
            case Progress():
                self._progress(event)
            case Notice():
                self._line(event.text)
            case Planned():
                self._line(plan_line(event))
            case TrialEnded():
                self._line(trial_line(event), "" if event.record.status == "finished" else "red")
            case SeedEnded():
                self._line(seed_line(event, self._baseline), "bold")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    def _epoch(self, report: EpochReport) -> None:
        started = self._standing.current
        if started is not None:
            self._line(epoch_line(started, report, self._standing.seconds_left()))

    def _progress(self, progress: Progress) -> None:
        decile = (progress.what, 10 * progress.done // max(progress.total, 1))
        if decile != self._decile:
            self._decile = decile
            self._line(f"{progress.what}: {progress.done} of {progress.total}")


class LiveScreen(PlainScreen):
    """A table of the running trial that is redrawn in place; what has ended stays above it."""

    def __init__(self, console: Console, baseline: str) -> None:
        super().__init__(console, baseline)
        self._loading: Progress | None = None
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def _epoch(self, report: EpochReport) -> None:
        pass

    def _progress(self, progress: Progress) -> None:
        self._loading = progress if progress.done < progress.total else None

    def _picture(self) -> Group:
        if self._loading is not None:
            bar = ProgressBar(self._loading.total, self._loading.done, width=30)
            return Group(Text(f"{self._loading.what}: {self._loading.done} images"), bar)
        if self._standing.current is None:
            return Group(Text("preparing ...", "dim"))
        return Group(self._table())

    def _table(self) -> Table:
        started, report = self._standing.current, self._standing.epoch
        assert started is not None
        table = Table(box=None, pad_edge=False, header_style="dim")
        columns = ("trial", "model", "seed", "epoch", "loss", "accuracy", "val", "time left")
        for name in columns:
            table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
        epochs = started.trial.training.epochs
        metrics = report.metrics if report else {}
        table.add_row(
            f"{started.index}/{started.total}",
            started.trial.model,
            str(started.trial.seed),
            f"{report.epoch if report else 0}/{epochs}",
            *(
                f"{metrics[name]:.4f}" if name in metrics else "-"
                for name in ("loss", "accuracy", "val_accuracy")
            ),
            duration(self._standing.seconds_left()),
        )
        return table
