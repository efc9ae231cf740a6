"""Where an experiment stands while it runs, and how long it will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean

from involbench.execution.events import EpochEnded, Event, Planned, TrialEnded, TrialStarted
from involbench.results.progress import EpochReport
from involbench.spec.trial import Trial


@dataclass
class Running:
    """A trial under way."""

    started: TrialStarted
    began: float
    reports: list[EpochReport] = field(default_factory=list)
    """Of the epochs that ended since; one that is resumed begins with a later epoch than 1."""
    heard: float = 0.0
    """When the last of them came."""

    @property
    def epoch(self) -> int:
        """The last that ended; 0 before the first."""
        return self.reports[-1].epoch if self.reports else 0

    def hear(self, report: EpochReport, now: float) -> float:
        """Take in the end of an epoch; the seconds an epoch so far."""
        self.reports.append(report)
        self.heard = now
        return (now - self.began) / len(self.reports)

    def seconds_left(self, each: float, now: float) -> float:
        """What is left of it, at so many seconds an epoch."""
        epochs = self.started.trial.training.epochs - self.epoch
        since = self.heard if self.reports else self.began
        return max(each * epochs - (now - since), 0.0)


@dataclass
class Standing:
    """What has been seen so far; updated by every event.

    Args:
        clock: Seconds, monotonic.
    """

    clock: Callable[[], float] = time.monotonic
    todo: dict[int, Trial] = field(default_factory=dict)
    """What has not ended, by its number."""
    is_over: bool = False
    """Whether there was something to do and all of it has ended."""
    running: dict[int, Running] = field(default_factory=dict)
    """By the trial's number."""
    _seconds: dict[str, float] = field(default_factory=dict)
    """Seconds an epoch, validation and start-up included, by kind of trial and, as last seen, by
    model.
    """
    _since: float = 0.0
    _done: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: 0.0})
    """Seconds since then spent on trials that ended: False for this runner's, True for others'."""

    def update(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Planned(trials):
                self.todo = dict(enumerate(trials, start=1))
                self._since = self.clock()
            case TrialStarted():
                self.running[event.index] = Running(event, self.clock())
            case EpochEnded(started, report):
                each = self.running[started.index].hear(report, self.clock())
                self._seconds[started.trial.kind] = self._seconds[started.trial.model] = each
            case TrialEnded():
                self.running.pop(event.started.index, None)
                self.todo.pop(event.started.index, None)
                spent = min(event.record.seconds, self.clock() - self._since)
                self._done[event.elsewhere] += spent
                self.is_over = not self.todo

    def seconds_left(self) -> float | None:
        """Estimate for all trials, if other runners do as much of them as they did so far.

        What was not seen yet is taken for what was seen of its model, or for the mean of all.
        """
        if not self._seconds or not self.running:
            return None
        now, typical = self.clock(), mean(self._seconds.values())
        total = 0.0
        for index, trial in self.todo.items():
            each = self._seconds.get(trial.kind, self._seconds.get(trial.model, typical))
            if index in self.running:
                total += self.running[index].seconds_left(each, now)
            else:
                total += each * trial.training.epochs
        here = self._done[False] + sum(now - one.began for one in self.running.values())
        share = here / (here + self._done[True]) if here else 1.0
        return total / len(self.running) * share
