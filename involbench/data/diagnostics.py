"""The checks of `doctor` for datasets: which are on this machine, and how to get the others."""

from collections.abc import Callable

from involbench.data.cache import cache_folder
from involbench.data.cifar import kept
from involbench.data.dataset import Dataset
from involbench.errors import DataError, Message
from involbench.results.checks import Check, examine_folder, failing, finding_of

_DOWNLOADED = ("cifar10", "cifar100")


def examine_datasets() -> tuple[Check, ...]:
    """The datasets that a spec can name without a path, and the folder for those with one."""
    digits = Check(topic="data", name="digits", status="ok", found="comes with scikit-learn")
    remedy = "set INVOLBENCH_CACHE to another folder"
    cache = examine_folder("cache of images", cache_folder(), remedy, unusable="warning")
    return (cache, digits, *map(_archive_or_damage, _DOWNLOADED))


def examine_source(dataset: str, load: Callable[[], Dataset]) -> tuple[Check, ...]:
    """The dataset of an experiment, loaded where that downloads nothing, and what to know of it.

    Args:
        dataset: Its name.
        load: Loads it.

    Raises:
        DataError: It is missing or damaged.
    """
    if dataset in _DOWNLOADED and not kept(dataset).there:
        missing = _archive(dataset)
        absent = Message(f"{dataset}: {missing.found}", remedy=missing.remedy)
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


def _archive(dataset: str) -> Check:
    """Whether the archive is on this machine; if not, which file to save, and where.

    Raises:
        DataError: What is there is damaged or cannot be read.
    """
    found = kept(dataset)
    if found.there:
        return Check(topic="data", name=dataset, status="ok", found=f"downloaded: {found.path}")
    return Check(
        topic="data",
        name=dataset,
        status="ok",
        found=f"not downloaded; the first run downloads {found.megabytes} MB",
        remedy=f"without a network, save {found.download} as {found.path}",
    )


def _archive_or_damage(dataset: str) -> Check:
    try:
        return _archive(dataset)
    except DataError as error:  # It affects only runs with this dataset.
        return failing("data", dataset, error).model_copy(update={"status": "warning"})
