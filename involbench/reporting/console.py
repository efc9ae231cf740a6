"""The output of `run` while it trains: a live table or plain lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from involbench.reporting.progress import (
    ProgressState,
    Running,
    epoch_line,
    plan_line,
    seed_line,
    trial_line,
    trial_name,
)
from involbench.reporting.units import duration
from involbench.runner.runner import EpochEnded, Event, Planned, SeedEnded, TrialEnded
from involbench.workers.protocol import Notice, Progress

_BAR, _SPARKS, _NAME, _GAP = 12, 16, 30, 2
_LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class _Column:
    """A column of the live table."""

    title: str
    rank: int
    """In a narrow terminal, columns of high rank are left out."""
    cell: Callable[[Running], str | ProgressBar]
    justify: JustifyMethod = "right"

    def width(self, rows: list[Running]) -> int:
        cells = [self.title, *map(self.cell, rows)]
        return max(_BAR if isinstance(cell, ProgressBar) else cell_len(cell) for cell in cells)


def running_trials(state: ProgressState, width: int) -> RenderableType:
    """The progress of the experiment and a row for each running trial.

    Args:
        state: Has at least one running trial.
        width: Of the terminal, in cells.
    """
    rows = list(state.running.values())
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    columns = _fitting(rows, width)
    for column in columns:
        table.add_column(column.title, justify=column.justify, no_wrap=True)
    for row in rows:
        table.add_row(*(column.cell(row) for column in columns))
    return Group(Text(_state_line(state), no_wrap=True, overflow="ellipsis"), table)


def sparkline(values: list[float], width: int = _SPARKS) -> str:
    """The last values as bars of eight heights, from the smallest to the largest."""
    last = values[-width:]
    least, span = min(last, default=0.0), max(last, default=0.0) - min(last, default=0.0)
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[round(top * (v - least) / span) if span else 0] for v in last)


def _state_line(state: ProgressState) -> str:
    total = next(iter(state.running.values())).started.total
    done, running = total - len(state.todo), len(state.running)
    left = state.seconds_left()
    time = "" if left is None else f", {duration(left)} left"
    return f"{done} of {total} trials done, {running} running{time}"


def _fitting(rows: list[Running], width: int) -> list[_Column]:
    """The columns of lowest rank that fit, in their order."""
    chosen = list[_Column]()
    for column in sorted(_COLUMNS, key=lambda column: column.rank):
        if sum(c.width(rows) + _GAP for c in [*chosen, column]) <= width + _GAP:
            chosen.append(column)
    return [column for column in _COLUMNS if column in chosen]


def _name(row: Running) -> str:
    name = Text(trial_name(row.started.trial))
    name.truncate(_NAME, overflow="ellipsis")
    return name.plain


def _sparks(row: Running) -> str:
    """Padded to its final width, so that columns do not come and go."""
    wide = min(_SPARKS, row.started.trial.training.epochs)
    return sparkline([report.metrics["val_accuracy"] for report in row.reports]).ljust(wide)


def _epoch(row: Running) -> str:
    return f"{row.epoch}/{row.started.trial.training.epochs}"


def _bar(row: Running) -> ProgressBar:
    return ProgressBar(row.started.trial.training.epochs, row.epoch, width=_BAR)


def _last(name: str) -> Callable[[Running], str]:
    """The last value of a metric."""
    return lambda row: f"{row.reports[-1].metrics[name]:.4f}" if row.reports else "-"


def _speed(row: Running) -> str:
    seconds = row.reports[-1].metrics["seconds"] if row.reports else 0.0
    return f"{row.reports[-1].images / seconds:,.0f}" if seconds > 0 else "-"


_COLUMNS = (
    _Column("trial", 0, _name, "left"),
    _Column("epoch", 1, _epoch),
    _Column("", 4, _bar, "left"),
    _Column("loss", 5, _last("loss")),
    _Column("accuracy", 6, _last("accuracy")),
    _Column("validation", 2, _last("val_accuracy")),
    _Column("", 3, _sparks, "left"),
    _Column("images/s", 7, _speed),
)


class ConsoleReporter:
    """Print a line for each epoch, trial and seed; for pipes and logs.

    Args:
        console: The output.
        baseline: The model to compare the others with.
        verbose: Print notices in full.
    """

    def __init__(self, console: Console, baseline: str, verbose: bool = False) -> None:
        self._console, self._verbose = console, verbose
        self._state = ProgressState()
        self._baseline = baseline
        self._decile: tuple[str, int] = ("", -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """Update the state with one event and print it."""
        self._state.update(event)
        match event:
            case EpochEnded():
                self._epoch(event)
            case Progress():
                self._progress(event)
            case Notice():
                self._line((event.in_full if self._verbose else "") or event.text)
            case Planned():
                self._line(plan_line(event))
            case TrialEnded():
                self._line(trial_line(event), "" if event.record.status == "finished" else "red")
            case SeedEnded():
                self._line(seed_line(event, self._baseline), "bold")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    def _epoch(self, event: EpochEnded) -> None:
        self._line(epoch_line(event.started, event.report, self._state.seconds_left()))

    def _progress(self, progress: Progress) -> None:
        decile = (progress.what, 10 * progress.done // max(progress.total, 1))
        if decile != self._decile:
            self._decile = decile
            self._line(f"{progress.what}: {progress.done} of {progress.total}")


class LiveReporter(ConsoleReporter):
    """Redraw a table of the running trials in place, below the lines of ended trials."""

    def __init__(self, console: Console, baseline: str, verbose: bool = False) -> None:
        super().__init__(console, baseline, verbose)
        self._loading: Progress | None = None
        self._live = Live(
            get_renderable=self._renderable, console=console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def _epoch(self, event: EpochEnded) -> None:
        pass

    def _progress(self, progress: Progress) -> None:
        self._loading = progress if progress.done < progress.total else None

    def _renderable(self) -> RenderableType:
        if self._loading is not None:
            bar = ProgressBar(self._loading.total, self._loading.done, width=30)
            return Group(Text(f"{self._loading.what}: {self._loading.done} images"), bar)
        if not self._state.running:
            return Text("drawing plots ..." if self._state.is_over else "preparing ...", "dim")
        return running_trials(self._state, self._console.width)
