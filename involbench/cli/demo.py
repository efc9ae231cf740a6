"""`involbench demo`: a page that classifies images with one or two networks."""

import threading
from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import Plugins, Results, complete_run, parse_name_or_path
from involbench.cli._output import echo, warn
from involbench.errors import InvolbenchError, UsageError

_PORT = 7860


def demo(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            parser=parse_name_or_path,
            autocompletion=complete_run,
            help="One or two runs: id or its beginning, EXPERIMENT/ID, or the path of the folder.",
        ),
    ],
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="The port of the page on this machine; 0: any free one."
        ),
    ] = _PORT,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    results: Results = Path("results"),
    plugins: Plugins = None,
) -> None:
    """Classify images with trained networks, in the browser.

    Drop an image, draw one or take a test image. The page shows the most probable classes, and the
    involution kernels at the pixel that you click, beside those of the network before training.
    The page is for this machine only and needs no network. Ctrl-C ends it.
    """
    import webbrowser

    from involbench.cli._runs import trained_run
    from involbench.cli._worker import progress_line, stoppable
    from involbench.demo.networks import DemoNetworks, check_same_images
    from involbench.optional_dependencies import require
    from involbench.workers.environment import WorkerResources
    from involbench.workers.local import start_worker
    from involbench.workers.protocol import Notice

    require("demo", "demo")
    if len(runs) > 2:
        raise UsageError(f"demo: expected one or two runs, got {len(runs)}")
    found = list(dict(trained_run(results, name) for name in runs).items())
    check_same_images(found)

    from involbench.demo.page import require_free_port, serve

    port = require_free_port(port)
    with stoppable("stopped"), start_worker(WorkerResources("cpu")) as worker:
        networks, tests, note = DemoNetworks(found, worker), None, ""
        with progress_line() as show:
            show(Notice("starting Keras"))
            try:
                tests = networks.test_images(show)
            except InvolbenchError as error:
                note = str(error)
                warn(f"no test images to choose from: {note}")
            networks.load()
        with serve(networks, tests, note, port) as url:
            echo(f"{url}  (Ctrl-C ends it)")
            if open_it and not webbrowser.open(url):
                warn(f"--open: found no browser; open {url} in one")
            threading.Event().wait()
