"""The dataset `table`: the user's own images, listed with their labels in a CSV file."""

import csv
import io
from typing import TYPE_CHECKING, Any

from involbench.data.source import Notify, Progress, existing_path, reason, silent
from involbench.errors import DataError
from involbench.registry import ImageShape, dataset
from involbench.regular_file import open_regular
from involbench.schema_types import Fraction, ImageSize, Resize
from involbench.text import describe, printable

if TYPE_CHECKING:
    from pathlib import Path

    from involbench.data.image_files import ImageTree, Source


def _describe(**arguments: Any) -> ImageShape:
    from involbench.data.image_files import Source, describe_images

    source = Source(**arguments)
    return describe_images(read_table(source), source)


@dataset(describe=_describe)
def table(
    *,
    path: str,
    image_size: ImageSize = None,
    resize: Resize = "stretch",
    test_fraction: Fraction = 0.2,
    _notify: Notify = silent,
    _progress: Progress = silent,
) -> Any:
    """Load the images that a CSV file lists: columns `path`, `label` and, optionally, `split`.

    Paths are relative to the folder of the file. `split` is train or test; without it, a share of
    each class is held out.

    Args:
        path: The path of the .csv file.
        image_size: A side or (height, width) to resize to; None keeps the size.
        resize: How to resize if the aspect ratio differs.
        test_fraction: Share of the images to hold out where there is no column `split`.
    """
    from involbench.data.image_files import Source, load_images

    source = Source(path, image_size, resize, test_fraction, _notify, _progress)
    return load_images(read_table(source), source)


def read_table(source: "Source") -> "ImageTree":
    """The listed images by split, sorted by class and path, whatever the order of the rows.

    Raises:
        DataError: The file cannot be read, lacks a column, or a row is wrong.
    """
    from involbench.data.image_files import ImageTree, as_split, held_out, missing_classes

    file, lines = existing_path(source.path), dict[str, int]()
    images: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    columns, rows = _read_rows(file)
    for line, row in rows:
        image, label, split = _checked(f"{file}:{line}", row, columns)
        if image in lines:
            raise DataError(f"{file}:{line}: {printable(image)} is in line {lines[image]} already")
        lines[image] = line
        images[split].setdefault(label, []).append(image)
    train, test = (
        {label: sorted(each[label]) for label in sorted(each)} for each in images.values()
    )
    if "split" in columns:
        for split, missing in missing_classes(train, test):
            raise DataError(f"{file}: no image of a class has the split {split}", names=missing)
    if len(train) < 2:
        raise DataError(f"{file}: only one class; two or more are needed")
    splits = (as_split(train), as_split(test))
    if "split" not in columns:
        splits = held_out(file, splits[0], source.test_fraction)
    return ImageTree(file.stem, file.parent, tuple(train), *splits)


def _read_rows(file: "Path") -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and the cells of each row with its line."""
    try:
        with open_regular(file) as opened:
            reader = csv.reader(io.TextIOWrapper(opened, "utf-8-sig", newline=""), strict=True)
            columns = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{file}: not a CSV file ({reason(error)})") from None
    for name in ("path", "label"):
        if name not in columns:
            found = ", ".join(map(printable, columns)) or "none"
            raise DataError(
                f"{file}:1: no column {name!r}; the columns are {found}",
                remedy="the first line names the columns: path,label or path,label,split",
            )
    if not rows:
        raise DataError(f"{file}: no row below the names of the columns")
    return columns, rows


def _checked(where: str, cells: list[str], columns: list[str]) -> tuple[str, str, str]:
    """The path, the label and the split of a row."""
    from involbench.data.image_files import READ, composed, ending

    if len(cells) != len(columns):
        raise DataError(f"{where}: {len(cells)} cells for {len(columns)} columns")
    row = dict(zip(columns, map(str.strip, cells), strict=True))
    image, label, split = row["path"], composed(row["label"]), row.get("split", "train")
    if not image or not label:
        raise DataError(f"{where}: no {'label' if image else 'path'}")
    if ending(image) not in READ:
        raise DataError(f"{where}: {printable(image)}: only {', '.join(sorted(READ))} are read")
    if split not in ("train", "test"):
        raise DataError(f"{where}: expected train or test as split, got {describe(split)}")
    return image, label, split
