"""Which dataset a trial's images are from, as `involbench.data` takes it."""

from typing import Any

from involbench.spec.data import DataSpec

_DECISIVE = {"dataset", "path", "image_size", "resize", "test_fraction"}


def source_of(data: DataSpec) -> DataSpec:
    """What of a data spec decides which images are loaded."""
    return DataSpec(**data.model_dump(include=_DECISIVE))


def arguments_of(source: DataSpec) -> dict[str, Any]:
    """The arguments of `load_dataset` and `describe_dataset`."""
    return source.model_dump(include=_DECISIVE)


def source_key(data: DataSpec) -> str:
    """The key to blame where the images cannot be loaded."""
    return "data.path" if data.path else "data"
