"""The user's own images in class folders, decoded once and kept in the cache."""

import hashlib
import os

import PIL

from involbench.data.cache import (
    cache_folder,
    map_images,
    read_images,
    write_fingerprint,
    write_images,
)
from involbench.data.dataset import Dataset, Images, make_dataset
from involbench.data.decode import DECODER_VERSION
from involbench.data.decode_files import ImageFiles, broken_images, decode_files, first_image
from involbench.data.source import Description, Source, reason, silent
from involbench.data.tree import ImageTree, read_tree
from involbench.errors import DataError, Message
from involbench.regular_file import open_regular
from involbench.results.remark import Remark

_PROGRESS_STEP = 1000


def load_folder(source: Source) -> Dataset:
    """Load `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified split.

    The fingerprint and the order of the images do not depend on the machine's file system.

    Raises:
        DataError: see `read_tree`, `ImageFiles.decode` and `decode_files`.
    """
    tree = read_tree(source)
    key = _key(tree, source)
    return _cached(tree, source, key) or _decode_and_keep(tree, source, key)


def describe_folder(source: Source) -> Description:
    """List the files and, where `image_size` does not tell, decode the first image."""
    tree = read_tree(source)
    height, width = source.image_size or first_image(tree.root, tree.train.files)[1]
    return (height, width, 3), len(tree.class_names)


def _key(tree: ImageTree, source: Source) -> str:
    """SHA-256 over all that decides the pixels: names, splits, contents, size and decoder."""
    decoder = f"{DECODER_VERSION} {PIL.__version__} {source.image_size} {source.resize}"
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
        ImageFiles.of(tree.root, files, source.image_size).decode(silent, source.progress)
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
    files = ImageFiles.of(tree.root, names, source.image_size, source.resize)
    source.notify(f"{tree.root}: decoding {len(names)} images, once")
    try:
        reshaped = write_images(key, files.shape, lambda keep: files.decode(keep, source.progress))
        dataset = _dataset(tree, source, map_images(key), len(reshaped))
        write_fingerprint(key, dataset.fingerprint, len(reshaped))
        return dataset
    except OSError as error:
        source.notify(
            f"{cache_folder()}: decoded images cannot be kept ({reason(error)}), so all of them "
            "are held in memory; set INVOLBENCH_CACHE to a folder that can be written"
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
        tree.root.resolve().name,
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
