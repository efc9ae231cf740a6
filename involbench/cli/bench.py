"""`involbench bench`: time and memory of networks, the operator and a training step."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import Device, Json
from involbench.cli._output import print_json, print_page
from involbench.cli._worker import stoppable, waiting
from involbench.cli.bench_export import export
from involbench.cli.bench_model import model
from involbench.errors import UsageError

if TYPE_CHECKING:
    from involbench.results.benchmarks import OperatorShape

bench = typer.Typer(
    name="bench",
    help="Time networks, the operator and a training step.",
    no_args_is_help=True,
)

_SHAPES = (
    "256,32,32,3,3,1",
    "64,32,32,64,3,4",
    "32,32,32,64,7,4",
    "16,16,16,256,7,16",
    "8,56,56,64,7,4",
)
_AXES = "B,H,W,C,K,G"

bench.command()(model)
bench.command()(export)


@bench.command()
def operator(
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            metavar=_AXES,
            help="Batch, height, width, channels, kernel size, groups; may be given repeatedly. "
            f"Default: {' '.join(_SHAPES)}",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="How often each form is timed.")] = 11,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Time our operator against patches and against convolutions.

    All of the same shape. Time, peak memory and first call, forward and with gradients, with the
    Keras backend in use.
    """
    from involbench.comparison.benchmark_operator import summarize_operator
    from involbench.reporting.tables.benchmarks import operator_page
    from involbench.runner.benchmarks import bench_operator

    wanted = [_shape(text) for text in dict.fromkeys(shapes or _SHAPES)]
    with stoppable("interrupted; nothing is kept"), waiting() as show:
        result = summarize_operator(bench_operator(wanted, repeats, device, show))
    print_json(result) if as_json else print_page(operator_page(result))


@bench.command()
def step(
    repeats: Annotated[
        int, typer.Option(min=2, help="Steps of each network after its first.")
    ] = 49,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Time a training step: the published layer against ours.

    Both start from the same weights, and their losses are compared step by step.
    """
    from involbench.comparison.benchmark_operator import summarize_steps
    from involbench.reporting.tables.benchmarks import step_page
    from involbench.runner.benchmarks import bench_step

    with stoppable("interrupted; nothing is kept"), waiting() as show:
        result = summarize_steps(bench_step(repeats, device, show))
    print_json(result) if as_json else print_page(step_page(result))


def _shape(text: str) -> "OperatorShape":
    """Read one shape.

    Raises:
        UsageError: The text is not a shape.
    """
    from involbench.results.benchmarks import OperatorShape

    fields = text.split(",")
    if len(fields) != 6 or not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", field) for field in fields):
        raise UsageError(
            f"--shape {text}: expected six whole numbers {_AXES}, such as {_SHAPES[0]}"
        )
    names = OperatorShape.model_fields
    shape = OperatorShape(**{name: int(f) for name, f in zip(names, fields, strict=True)})
    problem = _problem(shape)
    if problem:
        raise UsageError(f"--shape {text}: {problem}")
    return shape


def _problem(shape: "OperatorShape") -> str | None:
    """Why no involution has this shape; None if it is valid."""
    zeros = [name for name, value in shape.model_dump().items() if value < 1]
    if zeros:
        return f"{' and '.join(zeros)} must be at least 1"
    size = shape.kernel_size
    if size % 2 == 0:
        return f"the kernel size must be odd; use {size - 1} or {size + 1}, not {size}"
    if shape.channels % shape.groups:
        return f"the groups must divide the {shape.channels} channels; {shape.groups} do not"
    return None
