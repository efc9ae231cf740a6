"""`involbench publish`: results as a folder of pages."""

from typing import Annotated

import typer

from involbench.cli._options import NewFolder, Sources
from involbench.cli._output import echo, warn


def publish(
    sources: Sources,
    output: NewFolder,
    title: Annotated[
        str, typer.Option(help="The heading of the first page.")
    ] = "Does involution help?",
) -> None:
    """Write a site: results, reports and the records of runs.

    The site suits any static host. `index.html` has the results of every experiment. Nothing is
    loaded from elsewhere, so it also opens from disk. Weights, logs and exported networks are left
    out.
    """
    from involbench.cli._worker import progress_line, stoppable
    from involbench.reporting.html.site import publish as write_site
    from involbench.reporting.units import counted
    from involbench.workers.protocol import Notice, Progress

    with stoppable("interrupted; nothing is written"), progress_line() as show:
        show(Notice(f"writing {output}"))
        merged = write_site(
            sources, output, title, lambda what, done, total: show(Progress(what, done, total))
        )
    warn(*merged.left_out, *merged.conflicts)
    pages = f"{counted(merged.experiments, 'experiment')} with {counted(merged.runs, 'run')}"
    echo(f"{pages} written to {output / 'index.html'}")
