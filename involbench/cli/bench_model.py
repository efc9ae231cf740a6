"""`involbench bench model`: time, memory and size of networks."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from involbench.cli._options import (
    Device,
    Json,
    MarkdownTables,
    Overrides,
    Plot,
    Plugins,
    Results,
    chosen_format,
    complete_experiment_or_run,
    parse_name_or_path,
)
from involbench.cli._output import check_endings, write_figure
from involbench.cli._worker import progress_line, stoppable
from involbench.errors import UsageError

if TYPE_CHECKING:
    from involbench.results.benchmarks import ModelsMemory, ModelsTimes
    from involbench.workers.protocol import Network, TrainedRun

_LARGEST_BATCH = 2**20


def model(
    networks: Annotated[
        list[str],
        typer.Argument(
            metavar="NETWORK",
            parser=parse_name_or_path,
            autocompletion=complete_experiment_or_run,
            help="An experiment or a spec, for all its models; a run, for its network; or an "
            "architecture, for 32x32 images: `keras_io_inn` or '{architecture: rednet, depth: "
            "26}'. The first is the baseline.",
        ),
    ],
    overrides: Overrides = None,
    plugins: Plugins = None,
    batches: Annotated[
        list[int] | None,
        typer.Option(
            "--batch",
            min=1,
            max=_LARGEST_BATCH,
            help="Images in an inference; may be given repeatedly. Default: 1 and 32.",
        ),
    ] = None,
    step_batch: Annotated[
        int, typer.Option(min=1, max=_LARGEST_BATCH, help="Images in a training step.")
    ] = 32,
    image_sizes: Annotated[
        list[str] | None,
        typer.Option(
            "--image-size",
            metavar="HxW",
            help="The size of the images, in place of their own. Three or more also show how the "
            "time grows with the number of pixels.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="How often each inference is timed.")] = 51,
    results: Results = Path("results"),
    device: Device = "auto",
    output: Plot = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, a row per model and call.")] = False,
    as_md: MarkdownTables = False,
) -> None:
    """Time networks side by side, and see their memory and sizes.

    Times inference, a training step and the first call, in alternation in one process, so that what
    slows the machine slows all networks. For an experiment, each seed that all its models have
    finished is measured in a separate process. The results of runs are saved in their folders, for
    `compare`, `report` and claims.
    """
    from involbench.cli._runs import print_benchmark
    from involbench.comparison.benchmarks import summarize_models
    from involbench.reporting.tables.benchmarks import models_figure, models_page, models_rows
    from involbench.runner.benchmarks import bench_models
    from involbench.workers.protocol import ModelBenchmark

    chosen = chosen_format(json=as_json, csv=as_csv, md=as_md)
    check_endings([output])
    shapes = tuple(dict.fromkeys(map(_size, image_sizes or [])))
    blocks = _blocks(networks, overrides or [], results)
    sizes = tuple(sorted(set(batches or (1, 32))))
    wanted = [
        ModelBenchmark(tuple(block), shapes, sizes, step_batch, repeats, device) for block in blocks
    ]
    with stoppable("interrupted; nothing is kept"), progress_line() as show:
        times, memory = bench_models(wanted, show)
    result = summarize_models(times, memory)
    print_benchmark(chosen, result, models_page(result), models_rows(result))
    written = output is None or write_figure(output, partial(models_figure, result))
    if not shapes:
        _save(blocks, times, memory, repeats, results)
    if not written:
        raise typer.Exit(1)


def _save(
    blocks: "list[list[Network]]",
    times: "list[ModelsTimes]",
    memory: "ModelsMemory",
    repeats: int,
    results: Path,
) -> None:
    """Save the measurements of runs in their folders."""
    from involbench.cli._runs import save_benchmark
    from involbench.comparison.metrics import model_metrics

    metrics = [
        {
            network.run_dir: model_metrics(each, memory, measured.step_batch)
            for network, each in zip(block, measured.models, strict=True)
            if network.run_dir is not None
        }
        for block, measured in zip(blocks, times, strict=True)
    ]
    machines = [measured.machine for measured in times]
    save_benchmark("model", list(zip(machines, metrics, strict=True)), repeats, "latency", results)


def _size(text: str) -> tuple[int, int]:

    match = re.fullmatch(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?", text)
    if match is None:
        raise UsageError(f"--image-size {text}: expected height and width, such as 64x48, or 64")
    return int(match[1]), int(match[2] or match[1])


def _blocks(named: list[str], overrides: list[str], results: Path) -> "list[list[Network]]":
    """The named networks in blocks to measure side by side; a block per seed of an experiment."""
    from involbench.cli._runs import is_experiment, runs_by_seed
    from involbench.spec.load import is_architecture

    experiments = [
        text for text in named if not is_architecture(text) and is_experiment(results, text)
    ]
    if not experiments:
        return [_networks(named, overrides, results)]
    if len(named) > 1:
        raise UsageError(
            f"{experiments[0]} is an experiment: name it alone, or runs of it, such as "
            f"{experiments[0]}/MODEL-seed0"
        )
    if overrides:
        raise UsageError("--set needs a spec, and none is named")
    blocks = runs_by_seed(results, named[0], needs_weights=False)
    return [[_network(name, run) for name, run in block] for block in blocks]


def _network(name: str, run: "TrainedRun") -> "Network":
    from involbench.workers.protocol import Network

    return Network(name, run.record.trial, run.facts, run.weights.parent)


def _networks(named: list[str], overrides: list[str], results: Path) -> "list[Network]":
    """The named networks, under different names."""

    found: dict[str, Network] = {}
    for text in named:
        for network in _of(text, overrides, results):
            if network.name in found:
                raise UsageError(f"{text}: {network.name} is named twice; name it once")
            found[network.name] = network
    if overrides and not any(text.endswith((".yaml", ".yml")) for text in named):
        raise UsageError("--set needs a spec, and none is named")
    return list(found.values())


def _of(text: str, overrides: list[str], results: Path) -> "list[Network]":
    from involbench.cli._runs import trained_run, without_hash
    from involbench.reporting.tables.cells import label
    from involbench.spec.load import (
        adhoc_trial,
        expand,
        is_architecture,
        load_spec,
        near_architecture,
    )
    from involbench.spec.trial import one_seed_each
    from involbench.workers.protocol import Network

    if text.endswith((".yaml", ".yml")):
        trials = one_seed_each(expand(load_spec(Path(text), overrides)))
        return [Network(label(trial.model, trial.point), trial) for trial in trials]
    if is_architecture(text):
        return [Network(*adhoc_trial(text))]
    try:
        name, run = trained_run(results, text, needs_weights=False)
    except UsageError as error:
        near = near_architecture(text)
        hint = f"; or did you mean the architecture {near}?" if near else ""
        raise UsageError(f"{error}{hint}") from None
    return [_network(without_hash(name), run)]
