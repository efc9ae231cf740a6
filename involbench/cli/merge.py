"""`involbench merge`: several results folders as one."""

from involbench.cli._options import NewFolder, Sources
from involbench.cli._output import echo, warn


def merge(sources: Sources, output: NewFolder) -> None:
    """Copy the runs of several results folders into one.

    Each run is copied once, and only if it has ended. The folders stay as they are. Where they have
    different runs or specs of one name, those of the first are copied, and the others are named.
    """
    from involbench.cli._worker import progress_line, stoppable
    from involbench.reporting.units import counted
    from involbench.results.merge import merge as merge_folders
    from involbench.workers.protocol import Notice, Progress

    with stoppable("interrupted; nothing is written"), progress_line() as show:
        show(Notice(f"copying to {output}"))
        merged = merge_folders(
            sources, output, lambda done, total: show(Progress("run", done, total))
        )
    warn(*merged.left_out, *merged.conflicts)
    once = f"; {counted(merged.repeated, 'run')} in several folders, copied once"
    echo(
        f"{counted(merged.runs, 'run')} of {counted(merged.experiments, 'experiment')} written to "
        f"{output}{once if merged.repeated else ''}"
    )
