"""What `predict` and `kernels` check alike before they start Keras, and how they write."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from involbench.cli.page import echo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from involbench.execution.look_requests import TrainedRun
    from involbench.results.paths import AnyPath, ResultsPath
    from involbench.results.record import RunRecord


def trained_run(results: Path, name: str, needs_weights: bool = True) -> "tuple[str, TrainedRun]":
    """The run named, as `EXPERIMENT/ID` and with where its network is.

    Args:
        results: The results folder.
        name: The run, see `find_run`.
        needs_weights: Whether what was trained is wanted.

    Raises:
        UsageError: There is no such run, it has not finished, or its network is gone or damaged.
    """
    from involbench.cli.find_run import find_run
    from involbench.errors import UsageError
    from involbench.results.catalog import read_entry

    experiment, folder = find_run(results, name)
    entry = read_entry(experiment, folder)
    shown, record = f"{experiment}/{entry.run_id}", entry.record
    if record is None or record.data is None or entry.status != "finished":
        raise UsageError(f"{shown} is {entry.status}: it has no trained network to look at")
    return shown, with_network(folder, record, needs_weights)


def without_hash(shown: str) -> str:
    """`EXPERIMENT/<model>-seed<k>`, for the tables of a benchmark."""
    return shown.rpartition("-")[0]


def with_network(
    folder: "ResultsPath", record: "RunRecord", needs_weights: bool = True
) -> "TrainedRun":
    """A finished run and where its network is.

    Raises:
        UsageError: Its network is wanted, and gone or damaged.
    """
    from involbench.execution.look_requests import TrainedRun

    weights = folder / "model.keras"
    if needs_weights:
        _check_weights(weights, record.files.get(weights.name))
    return TrainedRun(record, weights)


def _check_weights(path: "ResultsPath", size: int | None) -> None:
    """Check that the file is there, and of the size that was written."""
    from involbench.errors import UsageError

    again = "`involbench run` with its spec trains it again"
    if path.kind() != "file":
        what = "is a link" if path.kind() == "link" else "no such file"
        raise UsageError(f"{path}: {what}, so there is no trained network; {again}")
    found = path.status().st_size
    if size is not None and found != size:
        raise UsageError(f"{path}: damaged: it has {found} bytes and had {size}; {again}")


def check_test_images(run: "TrainedRun", option: str, wanted: int) -> None:
    """Check that the run has so many test images.

    Raises:
        UsageError: It has fewer.
    """
    from involbench.errors import UsageError

    if wanted > run.facts.test_size:
        raise UsageError(f"{option}: the run has {run.facts.test_size} test images")


def check_endings(outputs: Sequence[Path], endings: Sequence[str]) -> None:
    """Check that the name of each file ends in a format that can be written.

    Raises:
        UsageError: One does not.
    """
    from involbench.errors import UsageError

    for path in outputs:
        if path.suffix.removeprefix(".").lower() not in endings:
            raise UsageError(
                f"--output {path}: expected a name that ends in .{', .'.join(endings)}"
            )


def write_picture(path: "AnyPath", make: "Callable[[], Figure]") -> bool:
    """Draw a figure into a file, and say so; or warn why it cannot be drawn.

    Returns:
        Whether it was drawn.

    Raises:
        UsageError: It cannot be written.
    """
    from involbench.cli.page import warn
    from involbench.reporting.plot_warnings import or_warn

    content = b""
    with or_warn(str(path), warn):
        from involbench.reporting.plots import drawn

        content = drawn(make(), Path(path.name).suffix[1:].lower())
    if content:
        write_output(path, content)
    return bool(content)


def write_output(path: "AnyPath", content: bytes) -> None:
    """Write a file, and say so.

    Raises:
        UsageError: It cannot be written.
    """
    from involbench.errors import ResultsError, UsageError
    from involbench.results.files import write_atomic

    try:
        write_atomic(path, content)
    except ResultsError as error:
        raise UsageError(f"{error}; name another file with --output FILE") from error
    echo(f"written: {path}", err=True)
