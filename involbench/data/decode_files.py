"""Many image files -> one array, in a few threads, with everything that is wrong found at once."""

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from involbench.data.dataset import Images
from involbench.data.decode import BrokenImage, Size, decode
from involbench.data.memory import require_memory
from involbench.data.source import Progress
from involbench.errors import DataError

_CHUNK = 64
_THREADS = min(8, os.cpu_count() or 1)
_NAMED = 5


@dataclass
class _Faults:
    """What is wrong with some files: (file, why) and (file, its size)."""

    broken: list[tuple[str, str]] = field(default_factory=list)
    other_size: list[tuple[str, Size]] = field(default_factory=list)


def decode_files(root: Path, files: Sequence[str], size: Size | None, progress: Progress) -> Images:
    """Decode files, given relative to root, into one array (N, H, W, 3).

    Args:
        size: (height, width) to resize to, or None where all images have one size.

    Raises:
        DataError: images are broken (named), differ in size while `size` is None, or do not fit
            into memory.
    """
    first, (height, width) = ("", size) if size else first_image(root, files)
    require_memory(
        f"{root}: {len(files)} images of {height}x{width}",
        len(files) * height * width * 3,
        "make them smaller, e.g. -S data.image_size=32",
    )
    images = np.empty((len(files), height, width, 3), np.uint8)
    faults = _Faults()
    for found in _run_chunks(root, files, size, images, progress):
        faults.broken += found.broken
        faults.other_size += found.other_size
    if faults.broken:
        raise broken_images(root, faults.broken)
    if faults.other_size:
        other, (other_height, other_width) = faults.other_size[0]
        raise DataError(
            f"{root}: images differ in size: {first} is {height}x{width}, {other} is "
            f"{other_height}x{other_width}; bring all to one size with -S data.image_size=32"
        )
    return images


def first_image(root: Path, files: Sequence[str]) -> tuple[str, Size]:
    """The first file that can be decoded, and its height and width; DataError if none can."""
    broken = []
    for file in files:
        try:
            height, width, _ = decode(root / file).shape
        except BrokenImage as error:
            broken.append((file, str(error)))
        else:
            return file, (height, width)
    raise broken_images(root, broken)


def _run_chunks(
    root: Path, files: Sequence[str], size: Size | None, images: Images, progress: Progress
) -> Iterator[_Faults]:
    """Fill `images` chunk by chunk in threads; yield the faults in the order of the files."""

    def work(start: int) -> _Faults:
        return _decode_chunk(root, files[start : start + _CHUNK], size, images[start:])

    pool = ThreadPoolExecutor(_THREADS)
    try:
        # Pillow's remarks on odd palettes and EXIF are not about what we read.
        with warnings.catch_warnings(action="ignore"):
            for start, faults in enumerate(pool.map(work, range(0, len(files), _CHUNK)), 1):
                progress("decoding images", min(start * _CHUNK, len(files)), len(files))
                yield faults
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_chunk(root: Path, files: Sequence[str], size: Size | None, images: Images) -> _Faults:
    faults = _Faults()
    for index, file in enumerate(files):
        try:
            pixels = decode(root / file, size)
        except BrokenImage as error:
            faults.broken.append((file, str(error)))
            continue
        if pixels.shape == images.shape[1:]:
            images[index] = pixels
        else:
            faults.other_size.append((file, pixels.shape[:2]))
    return faults


def broken_images(root: Path, broken: Sequence[tuple[str, str]]) -> DataError:
    """The error that names the first few of these (file, why)."""
    named = "; ".join(f"{file} ({why})" for file, why in broken[:_NAMED])
    more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    images = "a broken image" if len(broken) == 1 else f"{len(broken)} broken images"
    return DataError(f"{root}: {images}: {named}{more}; repair or remove")
