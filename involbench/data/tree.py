"""Image files in class folders: which there are, in which class, in which split."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from involbench.data.dataset import Labels
from involbench.data.source import Source, reason
from involbench.data.subsets import stratified_split
from involbench.errors import DataError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
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
    train: Split
    test: Split


def read_tree(source: Source) -> ImageTree:
    """List `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified split.

    Raises:
        DataError: the folder cannot be read or does not look like that.
    """
    root = source.existing_path()
    if not root.is_dir():
        remedy = "; for an npz file use -S data.dataset=npz" if root.suffix == ".npz" else ""
        raise DataError(f"{root}: is a file, not a folder of images{remedy}")
    ignored: Counter[str] = Counter()
    splits = [split for split in ("train", "test") if _has_folders(root / split)]
    if len(splits) == 1:
        raise DataError(
            f"{root}: there is {splits[0]}/ but no {'test' if splits == ['train'] else 'train'}/ "
            f"with class folders; add it, or set data.path to {root / splits[0]} to have it split"
        )
    tree = _split_tree(root, ignored) if splits else _whole_tree(root, source, ignored)
    if ignored:
        kinds = ", ".join(kind or "no extension" for kind in sorted(ignored))
        source.notify(f"{root}: ignored {ignored.total()} files that are not images ({kinds})")
    return tree


def _split_tree(root: Path, ignored: Counter[str]) -> ImageTree:
    train = _classes(root, "train/", ignored)
    test = _classes(root, "test/", ignored)
    for split, missing in (("test", train.keys() - test), ("train", test.keys() - train)):
        if missing:
            names = ", ".join(sorted(missing)[:5])
            raise DataError(
                f"{root / split}: no folder for {names}; train/ and test/ need the same classes"
            )
    return ImageTree(root, tuple(train), _as_split(train), _as_split(test))


def _whole_tree(root: Path, source: Source, ignored: Counter[str]) -> ImageTree:
    classes = _classes(root, "", ignored)
    images = _as_split(classes)
    try:
        keep, held_out = stratified_split(images.labels, source.test_fraction, _SPLIT_SEED)
    except DataError as error:
        raise DataError(f"{root}: {error}") from None
    return ImageTree(root, tuple(classes), images.take(keep), images.take(held_out))


def _as_split(classes: dict[str, list[str]]) -> Split:
    counts = [len(files) for files in classes.values()]
    files = tuple(file for files in classes.values() for file in files)
    return Split(files, np.repeat(np.arange(len(classes)), counts))


def _classes(root: Path, prefix: str, ignored: Counter[str]) -> dict[str, list[str]]:
    """Class name -> its image files relative to root; both sorted."""
    folder = root / prefix
    entries = _visible(folder)
    names = sorted(entry.name for entry in entries if _is_folder(entry))
    ignored.update(_kind(entry) for entry in entries if not _is_folder(entry))
    if len(names) < 2:
        found = f"only one class folder, {names[0]}/" if names else "no class folders"
        raise DataError(f"{folder}: {found}; expected two or more folders, one for each class")
    return {name: _images(root, f"{prefix}{name}/", ignored) for name in names}


def _images(root: Path, prefix: str, ignored: Counter[str]) -> list[str]:
    files, folders = [], 0
    for entry in _visible(root / prefix):
        if _is_folder(entry):
            folders += 1
        elif _kind(entry) in EXTENSIONS:
            files.append(prefix + entry.name)
        else:
            ignored[_kind(entry)] += 1
    if not files:
        inner = f" ({folders} folders in it are not looked into)" if folders else ""
        kinds = ", ".join(sorted(EXTENSIONS))
        raise DataError(f"{root / prefix}: the class folder holds no image ({kinds}){inner}")
    return sorted(files)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({reason(error)})") from None


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any(map(_is_folder, _visible(folder)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # A link that leads nowhere is not a folder: it is reported with the broken images.
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def _kind(entry: os.DirEntry[str]) -> str:
    return Path(entry.name).suffix.lower()
