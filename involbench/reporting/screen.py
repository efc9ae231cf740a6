"""The screens that a run can have: a live table, plain lines, or none."""

from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from involbench.execution.events import EpochEnded, Event, Planned, SeedEnded, TrialEnded
from involbench.execution.messages import Notice, Progress
from involbench.reporting.progress import (
    epoch_line,
    plan_line,
    seed_line,
    trial_line,
)
from involbench.reporting.screen_table import running_trials
from involbench.reporting.standing import Standing


class PlainScreen:
    """A line an epoch, a trial and a seed; for pipes and logs.

    Args:
        console: Where the lines go.
        baseline: The model that the others are held against.
        verbose: Name all that a notice is about.
    """

    def __init__(self, console: Console, baseline: str, verbose: bool = False) -> None:
        self._console, self._verbose = console, verbose
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
        self._line(epoch_line(event.started, event.report, self._standing.seconds_left()))

    def _progress(self, progress: Progress) -> None:
        decile = (progress.what, 10 * progress.done // max(progress.total, 1))
        if decile != self._decile:
            self._decile = decile
            self._line(f"{progress.what}: {progress.done} of {progress.total}")


class LiveScreen(PlainScreen):
    """A table of the running trials that is redrawn in place; what has ended stays above it."""

    def __init__(self, console: Console, baseline: str, verbose: bool = False) -> None:
        super().__init__(console, baseline, verbose)
        self._loading: Progress | None = None
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=4, transient=True
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

    def _picture(self) -> RenderableType:
        if self._loading is not None:
            bar = ProgressBar(self._loading.total, self._loading.done, width=30)
            return Group(Text(f"{self._loading.what}: {self._loading.done} images"), bar)
        if not self._standing.running:
            return Text("drawing plots ..." if self._standing.is_over else "preparing ...", "dim")
        return running_trials(self._standing, self._console.width)
