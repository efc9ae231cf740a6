"""Image files of the user's, in class folders or listed in a table: found, decoded once, cached."""

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import PIL

from involbench.data.cache import (
    cache_folder,
    map_images,
    read_images,
    write_fingerprint,
    write_images,
)
from involbench.data.dataset import Dataset, Images, Labels, make_dataset, stratified_split
from involbench.data.decoding import (
    DECODER_VERSION,
    ImageFiles,
    broken_images,
    decode_files,
    first_image,
)
from involbench.data.source import Notify, Progress, existing_path, reason, silent
from involbench.errors import DataError, Message, ResultsError
from involbench.registry import ImageShape
from involbench.regular_file import open_regular
from involbench.results.record import Remark
from involbench.schema_types import ImageSize, Resize
from involbench.text import printable

READ = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
"""The endings of the files that are read."""
_KINDS = ", ".join(sorted(READ))
_PICTURES = READ | {".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm"}
"""Endings of images, of which a user will want to know that they are not used."""


class Why(Enum):
    """Why a file is not used, and what to do where it is an image."""

    HIDDEN = "its name, or that of a folder above it, begins with a dot", None
    KIND = f"only {_KINDS} are read", "convert images to PNG"
    NESTED = "in a folder inside a class folder", "move images into the class folder itself"
    NO_CLASS = "in no class folder", "move images into the folder of their class"
    NO_SPLIT = "neither in train/ nor in test/", "move images that you want used"


class UnusedFiles:
    """Collects files that are not used.

    Args:
        root: The image folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[Why, list[str]] = defaultdict(list)

    def add(self, name: str, why: Why) -> int:
        """Add a file, or all that are in a folder, by its path below the root; how many."""
        hidden = Path(name).name.startswith(".")
        path = self._root / name
        found = list(self._below(path)) if path.is_dir() and not path.is_symlink() else [name]
        self._found[Why.HIDDEN if hidden else why] += found
        return len(found)

    def remarks(self) -> tuple[Remark, ...]:
        """One for each reason; a warning where images are among the files."""
        return tuple(
            self._remark(why, sorted(self._found[why])) for why in Why if self._found.get(why)
        )

    def _below(self, folder: Path) -> Iterator[str]:
        """The files in a folder and in those below it; of links to folders, only their names."""
        try:
            entries = list(folder.iterdir())
        except OSError as error:
            yield f"{folder.relative_to(self._root)}/ ({error.strerror})"
            return
        for path in entries:
            if path.is_dir() and not path.is_symlink():
                yield from self._below(path)
            else:
                yield str(path.relative_to(self._root))

    def _remark(self, why: Why, names: list[str]) -> Remark:
        reason, remedy = why.value
        count = f"{len(names)} file{' is' if len(names) == 1 else 's are'}"
        wanted = why is not Why.HIDDEN and any(ending(name) in _PICTURES for name in names)
        text = f"{self._root}: {count} not used ({reason})"
        message = Message(text, tuple(map(printable, names)), remedy if wanted else None)
        return Remark("unused files", message, warning=wanted)


def ending(name: str) -> str:
    """The ending of a file's name, by which it is read or not: `.png` of `a.PNG`."""
    return Path(name).suffix.lower()


_SPLIT_SEED = 0


@dataclass(frozen=True)
class Source:
    """The arguments of the datasets `folder` and `table`."""

    path: str
    image_size: ImageSize = None
    resize: Resize = "stretch"
    test_fraction: float = 0.2
    notify: Notify = silent
    progress: Progress = silent

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) to resize to, or None to keep the size."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size


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
    """Images as they will be loaded; nothing is decoded yet."""

    name: str
    root: Path
    class_names: tuple[str, ...]
    """In Unicode's composed form (NFC), whichever form the folders' names have."""
    train: Split
    test: Split
    remarks: tuple[Remark, ...] = ()
    """Which files below the root are not used, and why."""


def read_tree(source: Source) -> ImageTree:
    """List `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified split.

    Raises:
        DataError: the folder cannot be read or does not look like that.
    """
    root = existing_path(source.path)
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
        for split, missing in missing_classes(train, test):
            raise DataError(
                f"{self._root / split}: has no folder for a class of the other split",
                names=missing,
                remedy="train/ and test/ need the same classes",
            )
        self._refuse_empty()
        return self._tree(train, as_split(train), as_split(test))

    def whole_tree(self, source: Source) -> ImageTree:
        classes = self._classes("")
        self._refuse_empty()
        return self._tree(classes, *held_out(self._root, as_split(classes), source.test_fraction))

    def _tree(self, classes: dict[str, list[str]], train: Split, test: Split) -> ImageTree:
        remarks = self._unused.remarks()
        return ImageTree(
            self._root.resolve().name, self._root, tuple(classes), train, test, remarks
        )

    def _classes(self, prefix: str) -> dict[str, list[str]]:
        """Class name -> its image files relative to root; both sorted."""
        folders: dict[str, str] = {}
        for entry in _entries(self._root / prefix):
            if not _is_folder(entry) or _is_hidden(entry):
                self._unused.add(prefix + entry.name, Why.NO_CLASS)
                continue
            name = composed(entry.name)
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
        return sorted(files, key=lambda file: (composed(file), file))

    def _refuse_empty(self) -> None:
        if self._empty:
            raise DataError(
                f"{self._root}: a class folder holds no image ({_KINDS})",
                names=self._empty,
                remedy="remove the folder, or put images straight into it",
            )


def as_split(classes: Mapping[str, Sequence[str]]) -> Split:
    """The files of each class, as one list with labels."""
    counts = [len(files) for files in classes.values()]
    files = tuple(file for files in classes.values() for file in files)
    return Split(files, np.repeat(np.arange(len(classes)), counts))


def missing_classes(
    train: Mapping[str, object], test: Mapping[str, object]
) -> Iterator[tuple[str, list[str]]]:
    """The split that lacks classes of the other one, and which, to print."""
    for split, missing in (("test", train.keys() - test), ("train", test.keys() - train)):
        if missing:
            yield split, list(map(printable, sorted(missing)))


def held_out(where: Path, images: Split, test_fraction: float) -> tuple[Split, Split]:
    """Training and test images: a share of each class is held out, the same in each run.

    Raises:
        DataError: A class has too few images.
    """
    try:
        train, test = stratified_split(images.labels, test_fraction, _SPLIT_SEED)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return images.take(train), images.take(test)


def composed(name: str) -> str:
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


_PROGRESS_STEP = 1000


def load_images(tree: ImageTree, source: Source) -> Dataset:
    """The images of a tree, from the cache if they were decoded before.

    The fingerprint and the order of the images do not depend on the machine's file system.

    Raises:
        DataError: see `ImageFiles.decode` and `decode_files`.
    """
    key = _key(tree, source)
    return _cached(tree, source, key) or _decode_and_keep(tree, source, key)


def describe_images(tree: ImageTree, source: Source) -> ImageShape:
    """Their shape and classes; where `image_size` does not tell, the first image is decoded."""
    height, width = source.size or first_image(tree.root, tree.train.files)[1]
    return (height, width, 3), len(tree.class_names)


def _key(tree: ImageTree, source: Source) -> str:
    """SHA-256 over all that decides the pixels: names, splits, contents, size and decoder."""
    decoder = f"{DECODER_VERSION} {PIL.__version__} {source.size} {source.resize}"
    digest = hashlib.sha256(decoder.encode())
    files = [*tree.train.files, *tree.test.files]
    digest.update(f" {len(tree.train.files)} {len(tree.test.files)}".encode())
    unreadable = []
    for done, file in enumerate(files, 1):
        try:
            with open_regular(tree.root / file) as opened:
                content = opened.read()
        except OSError as error:
            unreadable.append((file, reason(error)))
            continue
        digest.update(os.fsencode(file) + b"\0" + hashlib.sha256(content).digest())
        if done % _PROGRESS_STEP == 0 or done == len(files):
            source.progress("reading images", done, len(files))
    if unreadable:
        # Decoding names these with all others that are broken.
        ImageFiles.of(tree.root, files, source.size).decode(silent, source.progress)
        raise broken_images(tree.root, unreadable)
    return digest.hexdigest()


def _cached(tree: ImageTree, source: Source, key: str) -> Dataset | None:
    """The dataset from the cache; None where it is absent or does not have its fingerprint."""
    found = read_images(key)
    if found is None:
        return None
    images, fingerprint, reshaped = found
    try:
        dataset = _dataset(tree, source, images, reshaped)
    except DataError:  # a damaged entry: decoded anew and replaced
        return None
    return dataset if dataset.fingerprint == fingerprint else None


def _decode_and_keep(tree: ImageTree, source: Source, key: str) -> Dataset:
    """Decode into the cache, piece by piece; into memory where the cache cannot be written."""
    names = [*tree.train.files, *tree.test.files]
    files = ImageFiles.of(tree.root, names, source.size, source.resize)
    source.notify(f"{tree.root}: decoding {len(names)} images, once")
    try:
        reshaped = write_images(key, files.shape, lambda keep: files.decode(keep, source.progress))
        dataset = _dataset(tree, source, map_images(key), len(reshaped))
        write_fingerprint(key, dataset.fingerprint, len(reshaped))
        return dataset
    except (OSError, ResultsError) as error:
        why = reason(error.__cause__ or error)
        source.notify(
            f"{cache_folder()}: decoded images cannot be kept ({why}), so all of them stay in "
            "memory; set INVOLBENCH_CACHE to a folder that can be written"
        )
    images, reshaped = decode_files(files, source.progress)
    return _dataset(tree, source, images, len(reshaped))


def _dataset(tree: ImageTree, source: Source, images: Images, reshaped: int) -> Dataset:
    """The dataset of a tree and its decoded images, so many of which had another aspect ratio."""
    count = len(tree.train.files)
    remarks = list(tree.remarks)
    if reshaped and source.resize == "stretch":
        remarks.append(_remark_on_stretching(tree, images, reshaped))
    return make_dataset(
        tree.name,
        images[:count],
        tree.train.labels,
        images[count:],
        tree.test.labels,
        tree.class_names,
        where=str(tree.root),
        files=(tree.train.files, tree.test.files),
        remarks=remarks,
    )


def _remark_on_stretching(tree: ImageTree, images: Images, count: int) -> Remark:
    height, width = images.shape[1:3]
    message = Message(
        f"{tree.root}: {count} of {len(images)} images have another aspect ratio than "
        f"{height}x{width} and are stretched to it, so circles become ellipses",
        remedy="to keep shapes, set data.resize=crop, or pad",
    )
    return Remark("aspect ratio", message)
