"""What is said of an experiment while it runs: events in, lines of text out."""

from involbench.execution.events import Planned, SeedEnded, TrialEnded, TrialStarted
from involbench.results.input_wait import too_much
from involbench.results.progress import EpochReport
from involbench.results.record import RunRecord
from involbench.spec.trial import Trial, shared_coordinates


def duration(seconds: float | None) -> str:
    """Seconds as a person says them: `8 s`, `3 min`, `2 h 05 min`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


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


def percent(fraction: float | None) -> str:
    """A fraction in percent, `n/a` for None."""
    return "n/a" if fraction is None else f"{100 * fraction:.2f}%"


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
            text += f" ({100 * (accuracy - reference):+.2f})"
    return text + (" collapsed" if record.collapsed else "")
