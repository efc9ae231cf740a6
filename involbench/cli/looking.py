"""Asking a worker about a trained network."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from involbench.execution.look_requests import Look


def ask(request: "Look") -> Any:
    """The answer of a worker on the CPU, which is enough for a few images.

    Raises:
        UsageError: The network, the images or the dataset cannot be used.
    """
    from involbench.cli.stopping import stoppable
    from involbench.cli.waiting import waiting
    from involbench.execution.client import Worker
    from involbench.execution.messages import Notice
    from involbench.execution.shares import Share

    with stoppable("interrupted; nothing is written"), waiting() as show:
        show(Notice("starting Keras"))
        with Worker(Share("cpu")) as worker:
            return worker.ask(request, show)
