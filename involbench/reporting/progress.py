"""How far an experiment is: events in, lines of text and the time left out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean

from involbench.reporting.units import duration, percent
from involbench.results.record import EpochReport, RunRecord, too_much
from involbench.runner.runner import EpochEnded, Event, Planned, SeedEnded, TrialEnded, TrialStarted
from involbench.spec.trial import Trial, shared_coordinates


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
class ProgressState:
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


def epoch_line(started: TrialStarted, report: EpochReport, left: float | None) -> str:
    """One epoch on one line, for logs."""
    trial, metrics = started.trial, report.metrics
    return (
        f"[{started.index}/{started.total}] {trial_name(trial)} "
        f"epoch {report.epoch}/{report.epochs}  loss {metrics['loss']:.4f}  "
        f"accuracy {metrics['accuracy']:.4f}  val {metrics['val_accuracy']:.4f}  "
        f"{duration(left)} left"
    )


def plan_line(event: Planned) -> str:
    """What there is to do, on one line."""
    trials = "1 trial" if len(event.todo) == 1 else f"{len(event.todo)} trials"
    finished = f", {event.finished} finished before" if event.finished else ""
    return f"{trials} to run{finished}"


def trial_name(trial: Trial) -> str:
    """`inn seed 0`, with the sweep's values where there are some."""
    point = "".join(f" {path.rpartition('.')[2]}={value}" for path, value in trial.point.items())
    return f"{trial.model}{point} seed {trial.seed}"


def trial_line(event: TrialEnded) -> str:
    """How a trial ended, on one line."""
    record, name = event.record, trial_name(event.started.trial)
    if event.elsewhere:
        name += " (another runner's)"
    if record.status == "failed":
        return f"{name} failed: {record.error}; see {event.run_dir / 'log.txt'}"
    if record.status != "finished":
        return f"{name} has no result, {record.status}: {record.error}"
    accuracy = percent(record.metrics["test_accuracy"])
    collapsed = ", collapsed: it never left chance" if record.collapsed else ""
    waited = too_much(record.metrics, record.trial.training.epochs)
    starved = f"; {waited}: `involbench show` says what helps" if waited else ""
    return f"{name} test accuracy {accuracy} in {duration(record.seconds)}{collapsed}{starved}"


def seed_line(event: SeedEnded, baseline: str) -> str:
    """How the models stand on one seed, with each one's difference from the baseline."""
    references = [record for record in event.records if record.trial.model == baseline]
    parts = [_standing(record, references) for record in event.records]
    return f"seed {event.seed}: " + (", ".join(parts) or "no trial finished")


def _standing(record: RunRecord, references: list[RunRecord]) -> str:
    accuracy = record.metrics["test_accuracy"]
    name = trial_name(record.trial).removesuffix(f" seed {record.trial.seed}")
    text = f"{name} {percent(accuracy)}"
    here = shared_coordinates(record.trial.point)
    others = [r for r in references if shared_coordinates(r.trial.point) == here]
    if accuracy is not None and len(others) == 1 and record not in others:
        reference = others[0].metrics["test_accuracy"]
        if reference is not None:
            text += f" ({percent(accuracy - reference, plus=True, unit='')})"
    return text + (" collapsed" if record.collapsed else "")
