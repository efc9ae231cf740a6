"""`involbench predict`: classify images with a trained network."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import Plugins, Results, Run, output_option, parse_name_or_path
from involbench.cli._output import check_endings, print_json, print_page, write_figure
from involbench.cli._worker import call_worker
from involbench.errors import UsageError
from involbench.text import printable

if TYPE_CHECKING:
    from involbench.results.arrays import Predictions
    from involbench.workers.protocol import TrainedRun


def predict(
    run: Run,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            parser=parse_name_or_path,
            help="PNG, JPEG, WebP or BMP files of any size.",
        ),
    ] = None,
    test: Annotated[
        int | None,
        typer.Option("--test", metavar="N", min=1, help="Classify N test images instead."),
    ] = None,
    results: Results = Path("results"),
    plugins: Plugins = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, with every class's probability.")
    ] = False,
    output: Annotated[Path | None, output_option("The images as a grid: png, svg or pdf.")] = None,
) -> None:
    """Classify images with a trained network.

    Prints the most probable classes and their probabilities. Images of any shape are resized as
    the training images were (data.resize). Test images are taken from all classes in turn, the
    same ones for every run on the same data.
    """
    from involbench.cli._runs import trained_run
    from involbench.reporting import inference
    from involbench.reporting.plots import MOST_IMAGES, plot_images

    check_endings([output])
    if output and (test or len(images or [])) > MOST_IMAGES:
        raise UsageError(f"--output draws at most {MOST_IMAGES} images; request fewer")
    name, found = trained_run(results, run)
    predictions, classes = _predictions(found, images or [], test), found.facts.class_names
    captions = inference.prediction_captions(predictions, classes)
    draw = partial(
        plot_images, predictions.images.pixels, captions, inference.wrong(predictions), name
    )
    written = output is None or write_figure(output, draw)
    if as_json:
        rows = inference.predictions_document(predictions, classes)
        print_json({"schema_version": inference.PREDICT_VERSION, "run": name, "images": rows})
    else:
        print_page(inference.predictions_page(predictions, classes))
    if not written:
        raise typer.Exit(1)


def _predictions(run: "TrainedRun", images: list[str], test: int | None) -> "Predictions":
    from involbench.cli._runs import check_test_images
    from involbench.workers.network_handlers import predict_given, predict_test

    if bool(images) == (test is not None):
        raise UsageError("name image files, or take test images with --test N")
    if test is None:
        _check_readable(images)
        return call_worker(predict_given, run, images)
    check_test_images(run, f"--test {test}", test)
    return call_worker(predict_test, run, test)


def _check_readable(images: list[str]) -> None:
    """Raise UsageError for files that cannot be read, before Keras is started."""
    from involbench.regular_file import open_regular

    wrong = []
    for name in images:
        try:
            open_regular(name).close()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            wrong.append((name, "no such file" if missing else error.strerror))
    named = [f"{printable(name)}: {why}" for name, why in wrong]
    if len(named) == 1:
        raise UsageError(named[0])
    if named:
        raise UsageError(f"{len(named)} files cannot be read", names=named)
