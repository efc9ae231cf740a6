"""The output of `run` while it trains: the state of the trials, a live table, plain lines."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean
from typing import Self

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from involbench.reporting.tables.cells import label
from involbench.reporting.tables.terminal import SafeConsole
from involbench.reporting.units import counted, duration, percent
from involbench.results.record import LAGS, EpochReport, RunRecord, too_much
from involbench.runner.runner import EpochEnded, Event, Planned, SeedEnded, TrialEnded, TrialStarted
from involbench.spec.trial import Trial, shared_coordinates
from involbench.text import printable
from involbench.workers.protocol import Notice, Progress


@dataclass
class Running:
    """A running trial."""

    started: TrialStarted
    began: float
    reports: list[EpochReport] = field(default_factory=list)
    """Of the epochs that ended; a resumed trial begins after epoch 1."""
    first_report: float = 0.0
    last_report: float = 0.0
    """When the last report came."""

    @property
    def epoch(self) -> int:
        """The last epoch that ended; 0 before the first."""
        return self.reports[-1].epoch if self.reports else 0

    @property
    def pace(self) -> "Pace | None":
        """Known from the second report on."""
        if len(self.reports) < 2:
            return None
        each = (self.last_report - self.first_report) / (len(self.reports) - 1)
        return Pace(max(self.first_report - self.began - each, 0.0), each)

    def seconds_left(self, pace: "Pace", now: float) -> float:
        """Seconds left at a pace."""
        epochs = self.started.trial.training.epochs
        if not self.reports:
            return max(pace.seconds(epochs) - (now - self.began), 0.0)
        return max(pace.each * (epochs - self.epoch) - (now - self.last_report), 0.0)


@dataclass(frozen=True)
class Pace:
    """How long trials take. The first epoch of a trial takes longer: the network is compiled."""

    start: float
    """Seconds until the first epoch ended, beyond those of an epoch."""
    each: float
    """Seconds an epoch."""

    def seconds(self, epochs: int) -> float:
        """Those of a whole trial."""
        return self.start + self.each * epochs


@dataclass
class ProgressState:
    """The state of an experiment, updated by every event."""

    clock: Callable[[], float] = time.monotonic
    todo: dict[int, Trial] = field(default_factory=dict)
    """Trials that have not ended, by number."""
    is_over: bool = False
    """Whether there were trials to run and all have ended."""
    running: dict[int, Running] = field(default_factory=dict)
    """By the number of the trial."""
    _paces: dict[str, Pace] = field(default_factory=dict)
    """The last ones, by kind of trial and by model."""
    _since: float = 0.0
    _done: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})
    """Seconds spent on ended trials: key False for this runner, True for other runners."""

    def update(self, event: Event) -> None:
        """Update the state with one event."""
        match event:
            case Planned(trials):
                self.todo = dict(enumerate(trials, start=1))
                self._since = self.clock()
            case TrialStarted():
                self.running[event.index] = Running(event, self.clock())
            case EpochEnded(started, report):
                trial = self.running[started.index]
                trial.reports.append(report)
                trial.last_report = self.clock()
                if len(trial.reports) == 1:
                    trial.first_report = trial.last_report
                self._keep(started.trial, trial.pace)
            case TrialEnded():
                running = self.running.pop(event.started.index, None)
                if running and not running.pace:
                    self._keep(event.started.trial, Pace(self.clock() - running.began, 0.0))
                self.todo.pop(event.started.index, None)
                spent = min(event.record.seconds, self.clock() - self._since)
                self._done[event.elsewhere] += spent
                self.is_over = not self.todo

    def _keep(self, trial: Trial, pace: Pace | None) -> None:
        if pace:
            self._paces[trial.kind] = self._paces[trial.model] = pace

    def seconds_left(self) -> float | None:
        """Estimate for all trials, if other runners keep their share of the work.

        A kind of trial of unknown pace is assumed to take as long as its model, or as the mean.
        None until a pace is known.
        """
        if not self._paces or not self.running:
            return None
        known = self._paces.values()
        now, typical = self.clock(), Pace(mean(p.start for p in known), mean(p.each for p in known))
        total = 0.0
        for index, trial in self.todo.items():
            pace = self._paces.get(trial.kind, self._paces.get(trial.model, typical))
            if index in self.running:
                total += self.running[index].seconds_left(pace, now)
            else:
                total += pace.seconds(trial.training.epochs)
        here = self._done[False] + sum(now - one.began for one in self.running.values())
        share = here / (here + self._done[True]) if here else 1.0
        return total / len(self.running) * share


def epoch_line(started: TrialStarted, report: EpochReport, left: float | None) -> str:
    """One epoch on one line, for logs."""
    trial, metrics = started.trial, report.metrics
    on = "test" if trial.data.validated_on == "test" else "val"
    return (
        f"[{started.index}/{started.total}] {_trial_name(trial)} "
        f"epoch {report.epoch}/{report.epochs}  loss {metrics['loss']:.4f}  "
        f"accuracy {metrics['accuracy']:.4f}  {on} {metrics['val_accuracy']:.4f}  "
        + ("" if left is None else f"{duration(left)} left")
    ).rstrip()


def plan_line(event: Planned) -> str:
    """The number of trials to run, on one line."""
    finished = f", {event.finished} finished before" if event.finished else ""
    return f"{counted(len(event.todo), 'trial')} to run{finished}"


def _trial_name(trial: Trial) -> str:
    """`inn seed 0`, with the values of a sweep and of a candidate, if any."""
    return f"{label(trial.model, trial.coordinates)} seed {trial.seed}"


def trial_line(event: TrialEnded) -> str:
    """How a trial ended, on one line."""
    record, name = event.record, _trial_name(event.started.trial)
    if event.elsewhere:
        name += " (in another runner)"
    if record.status == "failed":
        return f"{name} failed: {record.error}; see {event.run_dir / 'log.txt'}"
    if record.status != "finished":
        return f"{name} has no result, {record.status}: {record.error}"
    accuracy = f"test accuracy {percent(record.metrics['test_accuracy'])}"
    if record.trial.candidate:
        accuracy = "trained"  # The choice is made by validation images alone.
    collapsed = ", collapsed: it never left chance" if record.collapsed else ""
    if record.validation_lags:
        collapsed = f", {LAGS}"
    waited = too_much(record.metrics, record.trial.training.epochs)
    starved = f"; {waited}: `involbench show` says what helps" if waited else ""
    return f"{name} {accuracy} in {duration(record.seconds)}{collapsed}{starved}"


def seed_line(event: SeedEnded, baseline: str) -> str:
    """The accuracy of each model on one seed, and its difference from the baseline."""
    references = [record for record in event.records if record.trial.model == baseline]
    parts = [_seed_result(record, references) for record in event.records]
    return f"seed {event.seed}: " + (", ".join(parts) or "no trial finished")


def _seed_result(record: RunRecord, references: list[RunRecord]) -> str:
    accuracy = record.metrics["test_accuracy"]
    text = f"{label(record.trial.model, record.trial.point)} {percent(accuracy)}"
    here = shared_coordinates(record.trial.point)
    others = [r for r in references if shared_coordinates(r.trial.point) == here]
    if accuracy is not None and len(others) == 1 and record not in others:
        reference = others[0].metrics["test_accuracy"]
        if reference is not None:
            text += f" ({percent(accuracy - reference, plus=True, unit='')})"
    return text + (" collapsed" if record.collapsed else "")


_BAR, _SPARKS, _GAP = 12, 16, 2
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
    """The progress of the experiment and a row for each running trial, of which there is one."""
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
    chosen, known = list[_Column](), _columns(rows)
    for column in sorted(known, key=lambda column: column.rank):
        if sum(c.width(rows) + _GAP for c in [*chosen, column]) <= width + _GAP:
            chosen.append(column)
    return [column for column in known if column in chosen]


def _name(row: Running) -> str:
    name = Text(_trial_name(row.started.trial))
    name.truncate(30, overflow="ellipsis")
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


def _columns(rows: list[Running]) -> tuple[_Column, ...]:
    on = {row.started.trial.data.validated_on for row in rows}
    return (
        _Column("trial", 0, _name, "left"),
        _Column("epoch", 1, _epoch),
        _Column("", 4, _bar, "left"),
        _Column("loss", 5, _last("loss")),
        _Column("accuracy", 6, _last("accuracy")),
        _Column("test" if on == {"test"} else "validation", 2, _last("val_accuracy")),
        _Column("", 3, _sparks, "left"),
        _Column("images/s", 7, _speed),
    )


class ConsoleReporter:
    """Print a line for each epoch, trial and seed; for pipes and logs."""

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

    def warn(self, *texts: str) -> None:
        """Print warnings."""
        for text in texts:
            self._line(f"warning: {printable(text)}")

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


def reporter(baseline: str, quiet: bool = False, verbose: bool = False) -> ConsoleReporter:
    """The reporter for stderr: live on a terminal, else lines, in a notebook too."""
    console = SafeConsole(stderr=True, quiet=quiet, force_jupyter=False)
    return (LiveReporter if console.can_redraw else ConsoleReporter)(console, baseline, verbose)
