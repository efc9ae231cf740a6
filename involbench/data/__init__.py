"""Dataset name -> Dataset: uint8 images, labels, class names and a fingerprint.

The modules of the registered datasets import NumPy inside their functions, because a spec is
checked without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from involbench.data.source import Notify, Progress, reason, silent
from involbench.errors import DataError, InvolbenchError
from involbench.registry import ImageShape, datasets
from involbench.spec.data import DataSpec
from involbench.text import dotted

if TYPE_CHECKING:
    from involbench.data.dataset import Dataset, make_dataset

__all__ = ["Dataset", "describe_dataset", "load_dataset", "make_dataset"]


def __getattr__(name: str) -> Any:
    if name in ("Dataset", "make_dataset"):
        return getattr(import_module("involbench.data.dataset"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_dataset(
    dataset: str, *, notify: Notify = silent, progress: Progress = silent, **arguments: Any
) -> "Dataset":
    """Load a dataset by name.

    Args:
        dataset: The name of a registered dataset: cifar10, cifar100, digits, folder, npz.
        notify: Called with one short line before anything that takes long, such as a download.
        progress: Called as `progress(what, done, total)` while images are read and decoded.
        **arguments: As in the section `data` of a spec: path, image_size, resize, test_fraction.

    Raises:
        DataError: The dataset is unknown, missing, damaged or unfit. The message says what to do.
    """
    from involbench.data.arrays import to_dataset

    loader, given = datasets().get(dataset), _arguments(dataset, arguments)
    assert loader is not None
    callbacks = {"_notify": notify, "_progress": progress}
    given |= {key: call for key, call in callbacks.items() if loader.takes(key)}
    try:
        made = loader.build(**given)
    except InvolbenchError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {reason(error)}"
        raise DataError(f"{loader.where}: the dataset {dataset} failed: {what}") from error
    return to_dataset(dataset, made, f"{loader.where}: {dataset}")


def describe_dataset(dataset: str, **arguments: Any) -> ImageShape:
    """The input shape (H, W, C) and the number of classes, mostly without loading images.

    Takes the arguments of `load_dataset` and raises as it does.
    """
    given, loader = _arguments(dataset, arguments), datasets()[dataset]
    if loader.describe is not None:
        return loader.describe(**given)
    loaded = load_dataset(dataset, **arguments)
    return loaded.input_shape, loaded.num_classes


def _arguments(dataset: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a loader: those of the spec that it has and that are not the defaults."""
    if arguments.get("path") is not None:
        arguments = {**arguments, "path": str(arguments["path"])}
    try:
        spec = DataSpec.model_validate({"dataset": dataset, **arguments})
    except ValidationError as error:
        found = "; ".join(f"{dotted(('data', *e['loc']))}: {e['msg']}" for e in error.errors())
        raise DataError(found) from None
    return spec.model_dump(include=set(datasets()[dataset].fields), exclude_defaults=True)
