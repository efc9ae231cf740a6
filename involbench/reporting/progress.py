"""Progress of an experiment: takes events; gives log lines and the time left."""

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
    """A running trial."""

    started: TrialStarted
    began: float
    reports: list[EpochReport] = field(default_factory=list)
    """Of the epochs that ended; a resumed trial begins after epoch 1."""
    last_report: float = 0.0
    """When the last report came."""

    @property
    def epoch(self) -> int:
        """The last epoch that ended; 0 before the first."""
        return self.reports[-1].epoch if self.reports else 0

    def add_report(self, report: EpochReport, now: float) -> float:
        """Record the end of an epoch; returns the mean seconds per epoch so far."""
        self.reports.append(report)
        self.last_report = now
        return (now - self.began) / len(self.reports)

    def seconds_left(self, each: float, now: float) -> float:
        """Seconds left, at `each` seconds per epoch."""
        epochs = self.started.trial.training.epochs - self.epoch
        since = self.last_report if self.reports else self.began
        return max(each * epochs - (now - since), 0.0)


@dataclass
class ProgressState:
    """The state of an experiment, updated by every event.

    Args:
        clock: Monotonic, in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    todo: dict[int, Trial] = field(default_factory=dict)
    """Trials that have not ended, by number."""
    is_over: bool = False
    """Whether there were trials to run and all have ended."""
    running: dict[int, Running] = field(default_factory=dict)
    """By the number of the trial."""
    _seconds: dict[str, float] = field(default_factory=dict)
    """Last seconds per epoch, with validation and start-up, by kind of trial and by model."""
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
                each = self.running[started.index].add_report(report, self.clock())
                self._seconds[started.trial.kind] = self._seconds[started.trial.model] = each
            case TrialEnded():
                self.running.pop(event.started.index, None)
                self.todo.pop(event.started.index, None)
                spent = min(event.record.seconds, self.clock() - self._since)
                self._done[event.elsewhere] += spent
                self.is_over = not self.todo

    def seconds_left(self) -> float | None:
        """Estimate for all trials, if other runners keep their share of the work.

        A kind of trial without reports is assumed to take as long as its model, or as the mean.
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
    """The number of trials to run, on one line."""
    trials = "1 trial" if len(event.todo) == 1 else f"{len(event.todo)} trials"
    finished = f", {event.finished} finished before" if event.finished else ""
    return f"{trials} to run{finished}"


def trial_name(trial: Trial) -> str:
    """`inn seed 0`, with the values of a sweep, if any."""
    point = "".join(f" {path.rpartition('.')[2]}={value}" for path, value in trial.point.items())
    return f"{trial.model}{point} seed {trial.seed}"


def trial_line(event: TrialEnded) -> str:
    """How a trial ended, on one line."""
    record, name = event.record, trial_name(event.started.trial)
    if event.elsewhere:
        name += " (in another runner)"
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
    """The accuracy of each model on one seed, and its difference from the baseline."""
    references = [record for record in event.records if record.trial.model == baseline]
    parts = [_seed_result(record, references) for record in event.records]
    return f"seed {event.seed}: " + (", ".join(parts) or "no trial finished")


def _seed_result(record: RunRecord, references: list[RunRecord]) -> str:
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
