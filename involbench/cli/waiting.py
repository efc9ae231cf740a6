"""What stderr shows while a command waits for its worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from involbench.execution.messages import Report


@contextmanager
def waiting() -> "Iterator[Callable[[Report], None]]":
    """Takes reports; one line in place on a terminal, a line a notice elsewhere."""
    from involbench.execution.messages import Notice, Progress
    from involbench.reporting.safe_console import SafeConsole

    console = SafeConsole(stderr=True, highlight=False)
    live = console.is_terminal and not console.is_dumb_terminal
    notice = ""

    with console.status("") as status:

        def show(report: "Report") -> None:
            nonlocal notice
            match report:
                case Notice(text):
                    notice = text
                    status.update(text) if live else console.print(text, soft_wrap=True)
                case Progress(what, done, total) if live:
                    status.update(f"{notice}; {what} {done + 1} of {total}")

        yield show
