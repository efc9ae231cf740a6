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
from involbench.data.source import Description, Source, reason
from involbench.data.tree import ImageTree, read_tree
from involbench.errors import DataError

_PROGRESS_STEP = 1000


def load_folder(source: Source) -> Dataset:
    """Load `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified split.

    The fingerprint and the order of the images do not depend on the machine's file system.

    Raises:
        DataError: see `read_tree`, `ImageFiles.decode` and `decode_files`.
    """
    tree = read_tree(source)
    key = _key(tree, source)
    return _cached(tree, key) or _decode_and_keep(tree, source, key)


def describe_folder(source: Source) -> Description:
    """List the files and, where `image_size` does not tell, decode the first image."""
    tree = read_tree(source)
    height, width = source.image_size or first_image(tree.root, tree.train.files)[1]
    return (height, width, 3), len(tree.class_names)


def _key(tree: ImageTree, source: Source) -> str:
    """SHA-256 over all that decides the pixels: names, splits, contents, size and decoder."""
    digest = hashlib.sha256(f"{DECODER_VERSION} {PIL.__version__} {source.image_size}".encode())
    files = [*tree.train.files, *tree.test.files]
    digest.update(f" {len(tree.train.files)} {len(tree.test.files)}".encode())
    unreadable = []
    for done, file in enumerate(files, 1):
        try:
            content = (tree.root / file).read_bytes()
        except OSError as error:
            unreadable.append((file, reason(error)))
            continue
        digest.update(os.fsencode(file) + b"\0" + hashlib.sha256(content).digest())
        if done % _PROGRESS_STEP == 0 or done == len(files):
            source.progress("reading images", done, len(files))
    if unreadable:
        raise broken_images(tree.root, unreadable)
    return digest.hexdigest()


def _cached(tree: ImageTree, key: str) -> Dataset | None:
    """The dataset from the cache; None where it is absent or does not have its fingerprint."""
    found = read_images(key)
    if found is None:
        return None
    images, fingerprint = found
    try:
        dataset = _dataset(tree, images)
    except DataError:  # a damaged entry: decoded anew and replaced
        return None
    return dataset if dataset.fingerprint == fingerprint else None


def _decode_and_keep(tree: ImageTree, source: Source, key: str) -> Dataset:
    """Decode into the cache, piece by piece; into memory where the cache cannot be written."""
    names = [*tree.train.files, *tree.test.files]
    files = ImageFiles.of(tree.root, names, source.image_size)
    source.notify(f"{tree.root}: decoding {len(names)} images, once")
    try:
        write_images(key, files.shape, lambda keep: files.decode(keep, source.progress))
        dataset = _dataset(tree, map_images(key))
        write_fingerprint(key, dataset.fingerprint)
        return dataset
    except OSError as error:
        source.notify(
            f"{cache_folder()}: decoded images cannot be kept ({reason(error)}), so all of them "
            "are held in memory; set INVOLBENCH_CACHE to a folder that can be written"
        )
    return _dataset(tree, decode_files(files, source.progress))


def _dataset(tree: ImageTree, images: Images) -> Dataset:
    count = len(tree.train.files)
    return make_dataset(
        tree.root.resolve().name,
        images[:count],
        tree.train.labels,
        images[count:],
        tree.test.labels,
        tree.class_names,
        where=str(tree.root),
    )
