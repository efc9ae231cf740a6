"""The record of a trial that failed."""

from datetime import UTC, datetime

from involbench import __version__
from involbench.execution.requests import RunTrial
from involbench.results.logs import last_lines
from involbench.results.record import RunRecord


def failed(
    request: RunTrial, error: str, started: datetime, exit_signal: str | None = None
) -> RunRecord:
    """What can be said of a trial that ended with an error.

    Args:
        request: The trial.
        error: What went wrong.
        started: When the trial was begun.
        exit_signal: What ended its process, if that is how it ended.
    """
    now = datetime.now(UTC)
    return RunRecord(
        run_id=request.run_dir.name,
        status="failed",
        error=error,
        exit_signal=exit_signal,
        log_tail=last_lines(request.run_dir / "log.txt"),
        trial=request.trial,
        argv=request.argv,
        versions={"involbench": __version__},
        hardware=None,
        git=None,
        data=None,
        started=started.isoformat(timespec="milliseconds"),
        ended=now.isoformat(timespec="milliseconds"),
        seconds=(now - started).total_seconds(),
    )
