"""`involbench predict`: what a trained network says of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli.options import Results, Run, parse_name_or_path, parse_path

if TYPE_CHECKING:
    from involbench.execution.look_requests import PredictFiles, PredictTest, TrainedRun


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
        typer.Option("--test", metavar="N", min=1, help="So many of its test images instead."),
    ] = None,
    results: Results = Path("results"),
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, with every class's probability.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            parser=parse_path,
            help="The images as a grid: png, svg or pdf.",
        ),
    ] = None,
) -> None:
    """Say which class each image is of, by a trained network.

    With how probable that is. An image is resized to those that the network was trained on,
    whatever its shape. Test images are taken of all classes in turn, the same ones for every run on
    the same data.
    """
    from involbench.cli.looking import ask
    from involbench.cli.page import print_json, rendered
    from involbench.cli.trained_run import check_endings, trained_run, write_output
    from involbench.errors import UsageError
    from involbench.reporting import answers as told
    from involbench.reporting.plots import FORMATS, MOST_IMAGES, drawn, plot_images

    outputs = [output] if output else []
    check_endings(outputs, FORMATS)
    if output and (test or len(images or [])) > MOST_IMAGES:
        raise UsageError(f"--output draws {MOST_IMAGES} images at most; ask for fewer")
    name, found = trained_run(results, run)
    answers, classes = ask(_request(found, images or [], test)), found.facts.class_names
    for path in outputs:
        captions = told.answer_captions(answers, classes)
        figure = plot_images(answers.pictures.pixels, captions, told.wrong(answers), name)
        write_output(path, drawn(figure, path.suffix[1:].lower()))
    if as_json:
        rows = told.answers_document(answers, classes)
        print_json({"schema_version": told.PREDICT_VERSION, "run": name, "images": rows})
    else:
        typer.echo(rendered(told.answers_view(answers, classes)), nl=False)


def _request(
    run: "TrainedRun", images: list[str], test: int | None
) -> "PredictFiles | PredictTest":
    from involbench.cli.trained_run import check_test_images
    from involbench.errors import UsageError
    from involbench.execution.look_requests import PredictFiles, PredictTest

    if bool(images) == (test is not None):
        raise UsageError("name image files, or take test images with --test N")
    if test is None:
        return PredictFiles(run, tuple(images))
    check_test_images(run, f"--test {test}", test)
    return PredictTest(run, test)
