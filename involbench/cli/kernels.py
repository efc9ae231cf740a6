"""`involbench kernels`: where in an image the involution kernels of a run are large."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import Plugins, Results, Run, output_option
from involbench.cli._output import check_endings, print_page, write_figure, write_output
from involbench.cli._worker import call_worker
from involbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from involbench.results.paths import AnyPath

Pixel = tuple[int, int]

_MOST = 50
"""Images whose maps can be drawn in one picture, and made at one time."""


def kernels(
    run: Run,
    test: Annotated[
        int,
        typer.Option("--test", metavar="N", min=1, max=_MOST, help="How many test images to draw."),
    ] = 10,
    images: Annotated[
        list[int] | None,
        typer.Option(
            "--image",
            metavar="INDEX",
            min=0,
            help="This test image instead, counted from 0; may be given repeatedly.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="Y,X", help="Show the kernel at this pixel too: row and column, from 0."
        ),
    ] = None,
    untrained: Annotated[
        bool,
        typer.Option(
            "--untrained",
            help="Draw the network before its first step, with the averages of its batch "
            "normalization at that time.",
        ),
    ] = False,
    results: Results = Path("results"),
    plugins: Plugins = None,
    outputs: Annotated[
        list[Path] | None,
        output_option(
            "png, svg or pdf, or npz for the numbers; may be given repeatedly. "
            "Default: plots/kernels.png in the run's folder."
        ),
    ] = None,
) -> None:
    """Draw involution kernels at each pixel, beside the images.

    The picture shows the sum of the values of each kernel, in one column for each layer and group.
    If these are more than twelve, there is one for each layer, the mean over its groups.
    """
    from involbench.cli._runs import check_test_images, trained_run
    from involbench.reporting.inference import kernels_arrays, kernels_figure, kernels_page
    from involbench.workers.network_handlers import make_kernels

    check_endings(outputs or [], "npz")
    name, found = trained_run(results, run, needs_weights=not untrained)
    chosen = tuple(dict.fromkeys(images or []))
    if len(chosen) > _MOST:
        raise UsageError(f"--image: {len(chosen)} images; {_MOST} at most are shown at a time")
    check_test_images(found, f"--test {test}", 0 if chosen else test)
    for index in chosen:
        check_test_images(found, f"--image {index}", index + 1)
    pixel = None if at is None else _pixel(at, found.facts.input_shape)
    maps = call_worker(make_kernels, found, test, chosen, pixel, untrained)
    plain = found.weights.parent / "plots" / f"kernels{'-untrained' if untrained else ''}.png"
    title = f"{name}{', untrained' if untrained else ''}"
    paths: Sequence[AnyPath] = outputs or [plain]
    classes, all_written = found.facts.class_names, True
    for path in paths:
        if Path(path.name).suffix.lower() == ".npz":
            write_output(path, kernels_arrays(maps, classes, pixel))
        else:
            figure = partial(kernels_figure, maps, classes, pixel, title)
            all_written &= write_figure(path, figure)
    print_page(kernels_page(maps))
    if not all_written:
        raise typer.Exit(1)


def _pixel(text: str, shape: tuple[int, int, int]) -> Pixel:
    """Read `Y,X`."""

    height, width, _ = shape
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", text)
    if match is None:
        raise UsageError(f"--at {text}: expected a row and a column, such as {height // 2},0")
    row, column = int(match[1]), int(match[2])
    if row >= height or column >= width:
        raise UsageError(
            f"--at {text}: outside the images, whose rows run from 0 to {height - 1} "
            f"and columns from 0 to {width - 1}"
        )
    return row, column
