"""The dataset `npz`: the user's own arrays in an npz file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from involbench.data.source import existing_path, reason, require_memory
from involbench.errors import DataError
from involbench.registry import ImageShape, dataset
from involbench.regular_file import NotRegular, open_regular

if TYPE_CHECKING:
    from involbench.data.arrays import Arrays
    from involbench.npz import NpzFile


def _describe(path: str) -> ImageShape:
    """From the headers and the labels."""
    with _opened(path) as (_, _, arrays):
        return arrays.describe()


@dataset(describe=_describe)
def npz(*, path: str) -> Any:
    """Load uint8 images (N, H, W), (N, H, W, C) and integer labels (N,) or (N, 1) from 0 up.

    `class_names` is optional: a unicode array with a name for each label. Nothing pickled is read.

    Args:
        path: The path of the .npz file.

    Raises:
        DataError: The file is damaged, lacks an array, or an array is of another kind.
    """
    with _opened(path) as (file, found, arrays):
        size = sum(header.nbytes for header in found.headers.values())
        remedy = "store fewer or smaller images"
        return arrays.dataset(
            file.stem, before=lambda: require_memory(f"{file}: its arrays", size, remedy)
        )


@contextmanager
def _opened(given: str) -> Iterator[tuple[Path, "NpzFile", "Arrays"]]:
    """The arrays that involbench reads, for the length of a `with`; others are left alone.

    Raises:
        DataError: It is not an npz file, is damaged, lacks an array, or one is pickled.
    """
    import zipfile

    from involbench.data.arrays import OPTIONAL, REQUIRED, Arrays
    from involbench.npz import open_npz

    path = existing_path(given)
    if path.is_dir():
        raise DataError(
            f"{path}: is a folder, not an npz file", remedy="use -S data.dataset=folder"
        )
    try:
        with open_regular(path) as file, open_npz(file, only=(*REQUIRED, *OPTIONAL)) as found:
            yield path, found, Arrays(str(path), found.headers, found.read)
    except (PermissionError, NotRegular) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)})") from None
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not an npz file, or cut short ({reason(error).rstrip('.')})",
            remedy="write it with numpy.savez or copy it again",
        ) from None
    except (ValueError, RuntimeError) as error:
        raise DataError(
            f"{path}: {reason(error)}",
            remedy="write it again with plain arrays (texts with dtype='U')",
        ) from None
