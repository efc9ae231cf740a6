"""What `doctor` finds, one thing at a time: the schema of its JSON document."""

from collections.abc import Sequence
from typing import Literal, get_args

from involbench.errors import InvolbenchError, Message
from involbench.results.benchmark import Machine
from involbench.results.record import Record

Status = Literal["ok", "warning", "problem"]
"""Nothing to do; a run works, but not as well as it could; a run would fail."""

Topic = Literal["software", "backend", "environment", "folders", "data", "experiment"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""In the order of a page."""


class Finding(Record):
    """One thing that was looked at."""

    topic: Topic
    name: str
    status: Status
    found: str
    """In one line."""
    remedy: str | None = None
    """What to do about it; of something that is fine, how to have more of it."""


class Examination(Record):
    """All that was found, and the machine as run records describe it."""

    findings: tuple[Finding, ...]
    machine: Machine | None
    """None where the backend could not be asked."""

    @property
    def status(self) -> Status:
        """That of the worst finding."""
        return worst(self.findings)


def worst(findings: Sequence[Finding]) -> Status:
    """The status that all of them have together."""
    found = {finding.status for finding in findings}
    return "problem" if "problem" in found else "warning" if "warning" in found else "ok"


def finding_of(topic: Topic, name: str, status: Status, message: Message) -> Finding:
    """The finding that a message tells of."""
    return Finding(
        topic=topic, name=name, status=status, found=message.found, remedy=message.remedy
    )


def failing(topic: Topic, name: str, error: InvolbenchError) -> Finding:
    """The problem that an error tells of."""
    return finding_of(topic, name, "problem", error.message)
