"""The checks of `doctor` for datasets: which are on this machine, and how to get the others."""

from collections.abc import Callable, Iterator

from involbench.data.cache import cache_folder
from involbench.data.dataset import Dataset
from involbench.errors import DataError, Message
from involbench.registry import datasets
from involbench.results.checks import Check, examine_folder, failing, finding_of


def examine_datasets() -> tuple[Check, ...]:
    """The datasets that a spec can name without a path, and the folder for those with one."""
    remedy = "set INVOLBENCH_CACHE to another folder"
    cache = examine_folder("cache of images", cache_folder(), remedy, unusable="warning")
    return (cache, *_statuses())


def _statuses() -> Iterator[Check]:
    for name, loader in datasets().items():
        if loader.status is None:
            continue
        try:
            yield finding_of("data", name, "ok", loader.status())
        except DataError as error:  # It affects only runs with this dataset.
            yield failing("data", name, error).model_copy(update={"status": "warning"})


def examine_source(dataset: str, load: Callable[[], Dataset]) -> tuple[Check, ...]:
    """The dataset of an experiment, loaded where that downloads nothing, and what to know of it.

    Raises:
        DataError: It is missing or damaged.
    """
    status = datasets()[dataset].status
    here = status() if status else None
    if here and here.remedy:
        absent = Message(f"{dataset}: {here.found}", remedy=here.remedy)
        return (finding_of("experiment", "data", "warning", absent),)
    loaded = load()
    train, test = len(loaded.y_train), len(loaded.y_test)
    size = "x".join(map(str, loaded.input_shape))
    found = f"{dataset}: {train:,} images to train on, {test:,} to test, {size}, "
    whole = Message(f"{found}{loaded.num_classes} classes")
    remarks = (
        finding_of(
            "experiment", remark.about, "warning" if remark.warning else "ok", remark.message
        )
        for remark in loaded.remarks
    )
    return (finding_of("experiment", "data", "ok", whole), *remarks)
