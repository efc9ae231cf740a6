"""`involbench export-results`: export runs to other tools."""

from pathlib import Path
from typing import Annotated

import typer

from involbench.cli._options import Experiments, Results, parse_name_or_path
from involbench.cli._output import echo, warn
from involbench.errors import UsageError
from involbench.text import suggest

_EXTRAS = {"csv": "", "parquet": "parquet", "mlflow": "mlflow", "tensorboard": "tensorboard"}
"""The extra of involbench that each kind needs."""


def export_results(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="KIND",
            help="csv or parquet: a table of runs and one of epochs; mlflow; or tensorboard.",
        ),
    ],
    experiments: Experiments = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR|URI",
            parser=parse_name_or_path,
            help="The folder, or MLflow's tracking server. Default: exported, or the "
            "value of MLFLOW_TRACKING_URI.",
        ),
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Export every run to CSV, Parquet, MLflow or TensorBoard."""
    from involbench.cli._runs import find_experiments
    from involbench.optional_dependencies import require
    from involbench.reporting.integrations import run_rows, write_tables
    from involbench.reporting.integrations.mlflow import write_mlflow
    from involbench.reporting.integrations.tensorboard import TensorBoard

    if to not in _EXTRAS:
        raise UsageError(f"--to {to}: no such kind; {suggest(to, list(_EXTRAS))}")
    require(f"--to {to}", _EXTRAS[to])
    rows, warnings = run_rows(find_experiments(results, experiments or []))
    warn(*warnings)
    folder = Path(output or "exported")
    if to in ("csv", "parquet"):
        files = write_tables(rows, folder, "csv" if to == "csv" else "parquet")
        echo(f"{len(rows)} runs written: {' and '.join(map(str, files))}")
        return
    if to == "mlflow":
        logged, uri = write_mlflow(rows, output, warn, lambda text: echo(text, err=True))
    else:
        board, uri = TensorBoard(folder, "--to tensorboard"), str(folder)
        logged = sum(map(board.write, rows))
    echo(f"{logged} runs written to {uri}, {len(rows) - logged} were there already")
