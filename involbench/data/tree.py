"""Image files in class folders: which there are, in which class, in which split."""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from involbench.data.dataset import Labels
from involbench.data.source import Source, reason
from involbench.data.subsets import stratified_split
from involbench.data.unused import READ, UnusedFiles, Why, ending
from involbench.errors import DataError
from involbench.results.remark import Remark
from involbench.results.wording import printable

_SPLIT_SEED = 0


@dataclass(frozen=True)
class Split:
    """Paths relative to the root, with "/", and their labels (N,); sorted by class, then name."""

    files: tuple[str, ...]
    labels: Labels

    def take(self, indices: np.ndarray) -> "Split":
        """The part of it at these indices."""
        return Split(tuple(self.files[index] for index in indices), self.labels[indices])


@dataclass(frozen=True)
class ImageTree:
    """A folder of images as it will be loaded; nothing is decoded yet."""

    root: Path
    class_names: tuple[str, ...]
    """In Unicode's composed form (NFC), whichever form the folders' names have."""
    train: Split
    test: Split
    remarks: tuple[Remark, ...]
    """Which files below the root are not used, and why."""


def read_tree(source: Source) -> ImageTree:
    """List `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified split.

    Raises:
        DataError: the folder cannot be read or does not look like that.
    """
    root = source.existing_path()
    if not root.is_dir():
        remedy = "for an npz file use -S data.dataset=npz" if root.suffix == ".npz" else None
        raise DataError(f"{root}: is a file, not a folder of images", remedy=remedy)
    splits = [split for split in ("train", "test") if _has_folders(root / split)]
    if len(splits) == 1:
        missing = "test" if splits == ["train"] else "train"
        raise DataError(
            f"{root}: there is {splits[0]}/ but no {missing}/ with class folders",
            remedy=f"add it, or set data.path to {root / splits[0]} to have it split",
        )
    return _Reader(root).split_tree() if splits else _Reader(root).whole_tree(source)


class _Reader:
    """Lists the files of one folder, and keeps those that are not used."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unused = UnusedFiles(root)
        self._empty: list[str] = []

    def split_tree(self) -> ImageTree:
        for entry in _entries(self._root):
            if entry.name not in ("train", "test"):
                self._unused.add(entry.name, Why.NO_SPLIT)
        train, test = self._classes("train/"), self._classes("test/")
        for split, missing in (("test", train.keys() - test), ("train", test.keys() - train)):
            if missing:
                raise DataError(
                    f"{self._root / split}: no folder for a class",
                    names=list(map(printable, sorted(missing))),
                    remedy="train/ and test/ need the same classes",
                )
        self._refuse_empty()
        return self._tree(train, _as_split(train), _as_split(test))

    def whole_tree(self, source: Source) -> ImageTree:
        classes = self._classes("")
        self._refuse_empty()
        images = _as_split(classes)
        try:
            keep, held_out = stratified_split(images.labels, source.test_fraction, _SPLIT_SEED)
        except DataError as error:
            raise DataError(f"{self._root}: {error}") from None
        return self._tree(classes, images.take(keep), images.take(held_out))

    def _tree(self, classes: dict[str, list[str]], train: Split, test: Split) -> ImageTree:
        return ImageTree(self._root, tuple(classes), train, test, self._unused.remarks())

    def _classes(self, prefix: str) -> dict[str, list[str]]:
        """Class name -> its image files relative to root; both sorted."""
        folders: dict[str, str] = {}
        for entry in _entries(self._root / prefix):
            if not _is_folder(entry) or _is_hidden(entry):
                self._unused.add(prefix + entry.name, Why.NO_CLASS)
                continue
            name = _composed(entry.name)
            if name in folders:
                raise DataError(
                    f"{self._root / prefix}: two folders have the name {name!r}, in two Unicode "
                    "forms (composed and decomposed), so they look the same",
                    remedy="move the images of one into the other",
                )
            folders[name] = entry.name
        if len(folders) < 2:
            found = f"only one class folder, {min(folders)}/" if folders else "no class folders"
            raise DataError(
                f"{self._root / prefix}: {found}",
                remedy="two or more folders are needed, one for each class",
            )
        return {name: self._images(f"{prefix}{folders[name]}/") for name in sorted(folders)}

    def _images(self, prefix: str) -> list[str]:
        files, others = [], 0
        for entry in _entries(self._root / prefix):
            if _is_folder(entry):
                others += self._unused.add(prefix + entry.name, Why.NESTED)
            elif ending(entry.name) in READ and not _is_hidden(entry):
                files.append(prefix + entry.name)
            else:
                others += self._unused.add(prefix + entry.name, Why.KIND)
        if not files:
            inside = f"{others} other file{'s' * (others != 1)}" if others else "empty"
            self._empty.append(f"{printable(prefix)} ({inside})")
        return sorted(files, key=lambda file: (_composed(file), file))

    def _refuse_empty(self) -> None:
        if self._empty:
            kinds = ", ".join(sorted(READ))
            raise DataError(
                f"{self._root}: a class folder holds no image ({kinds})",
                names=self._empty,
                remedy="remove the folder, or put images straight into it",
            )


def _as_split(classes: dict[str, list[str]]) -> Split:
    counts = [len(files) for files in classes.values()]
    files = tuple(file for files in classes.values() for file in files)
    return Split(files, np.repeat(np.arange(len(classes)), counts))


def _composed(name: str) -> str:
    """A name in the form that sorts and compares the same on every file system."""
    return unicodedata.normalize("NFC", name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({reason(error)})") from None


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any(
        _is_folder(entry) and not _is_hidden(entry) for entry in _entries(folder)
    )


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # A link that leads nowhere is not a folder: it is reported with the broken images.
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()
