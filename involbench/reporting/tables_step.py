"""`bench step` as a table for the terminal."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from involbench.analysis.benchmark_step import NetworkResult, StepBenchmark
from involbench.reporting.numbers_table import NumbersTable
from involbench.reporting.tables_benchmark import made_with, milliseconds, ratio_cell


def step_view(benchmark: StepBenchmark) -> Iterator[RenderableType]:
    """What `bench step` prints: a line a network, notes."""
    yield Text("A training step of the keras.io INN", style="bold")
    columns = ("network", "first step, s", "step, ms", "over ours")
    names = {"patches": "published layer", "involution": "our layer", "control": "no involution"}
    rows = [_steps(names[name], result) for name, result in benchmark.networks.items()]
    yield NumbersTable(columns, rows)
    yield Text()
    shape = "x".join(map(str, benchmark.image_shape))
    yield Text(
        f"{benchmark.batch_size} images of {shape}; median (quartiles) of {benchmark.repeats} "
        "steps after the first, in alternation; over ours: within a repeat. Published layer: "
        f"{benchmark.patches}."
    )
    yield Text(
        "Same initial weights: the losses of both INNs are at most "
        f"{benchmark.largest_loss_difference:.1e} apart over {benchmark.repeats + 1} steps."
    )
    yield Text(made_with(benchmark.machine))


def _steps(name: str, result: NetworkResult) -> tuple[str, ...]:
    taken = result.seconds
    quartiles = f"({milliseconds(taken.lower_quartile)} to {milliseconds(taken.upper_quartile)})"
    return (
        name,
        f"{result.first_step_seconds:.2f}",
        f"{milliseconds(taken.median)} {quartiles}",
        ratio_cell(result.ratio),
    )
