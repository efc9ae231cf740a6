"""Image files -> arrays of RGB pixels, many at a time."""

import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Generic, Self, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from involbench.data.dataset import Images
from involbench.data.source import Progress, reason, require_memory
from involbench.errors import DataError
from involbench.regular_file import open_regular
from involbench.schema_types import Resize
from involbench.text import printable

Task = TypeVar("Task")
Made = TypeVar("Made")

Size = tuple[int, int]
"""Height and width."""

THREADS = min(8, os.cpu_count() or 1)


class OrderedPrefetcher(Generic[Task, Made], Iterator[Made]):
    """What `make` makes of each task, in several threads, in the order of the tasks, ahead.

    `ahead` is how many results are made, or being made, before they are taken. There may be tasks
    without end. Leaving a `with` ends it: what has not been begun by then is not made.
    """

    def __init__(self, make: Callable[[Task], Made], tasks: Iterable[Task], ahead: int) -> None:
        self._make = make
        self._tasks = iter(tasks)
        self._pool = ThreadPoolExecutor(min(THREADS, ahead))
        self._made: deque[Future[Made]] = deque()
        self._begin(ahead)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._tasks = iter(())
        self._pool.shutdown(cancel_futures=True)

    def __next__(self) -> Made:
        if not self._made:
            raise StopIteration
        made = self._made.popleft().result()
        self._begin(1)
        return made

    def _begin(self, count: int) -> None:
        self._made.extend(
            self._pool.submit(self._make, task) for task in islice(self._tasks, count)
        )


def resized(image: Image.Image, size: Size, how: Resize = "stretch") -> Image.Image:
    """Resize an image to a size, bilinear with antialiasing.

    `stretch` changes the shape of what is seen; `crop` cuts off what is too much at two sides;
    `pad` adds black at two sides. What stays is in the middle.
    """
    width_first = size[::-1]
    if image.size == width_first:
        return image
    fit = {"crop": ImageOps.fit, "pad": ImageOps.pad}.get(how, Image.Image.resize)
    return fit(image, width_first, Image.Resampling.BILINEAR)


def _changes_shape(original: Size, size: Size) -> bool:
    """Whether stretching to `size` would change the aspect ratio by more than rounding does."""
    (height, width), (new_height, new_width) = original, size
    fitting = min(new_height / height, new_width / width)
    return round(fitting * height) != new_height or round(fitting * width) != new_width


# Part of the cache's key, with Pillow's version: raise it when the pixels change, or what is kept
# beside them.
DECODER_VERSION = 2

# Named, so that a file of another kind behind an image's extension never reaches its decoder
# (that of EPS would start another program).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


class BrokenImage(Exception):
    """An image file that cannot be decoded; the message says why."""


def decode(path: Path, size: Size | None = None, how: Resize = "stretch") -> tuple[Images, Size]:
    """Decode a PNG, JPEG, WebP or BMP file to (H, W, 3) uint8, upright as its EXIF says.

    Of an animation, the first frame. With a size, it is `resized`.

    Returns:
        The pixels, and the height and width that the image had.

    Raises:
        BrokenImage: It cannot be decoded, for whatever reason.
    """
    try:
        with open_regular(path) as file:
            if not file.peek(1):
                raise BrokenImage("an empty file")
            with Image.open(file, formats=_FORMATS) as image:
                image.load()
                rgb = _eight_bits(_upright(image)).convert("RGB")
    except BrokenImage:
        raise
    except FileNotFoundError:
        why = "a broken link" if path.is_symlink() else "no such file"
        raise BrokenImage(why) from None
    except UnidentifiedImageError:
        raise BrokenImage("not a PNG, JPEG, WebP or BMP image") from None
    except Exception as error:  # decoders raise nearly anything on damaged input
        raise BrokenImage(reason(error).removesuffix(".")) from error
    height, width = rgb.height, rgb.width
    if size is not None:
        rgb = resized(rgb, size, how)
    return np.asarray(rgb), (height, width)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing about the pixels, which are decoded by now
        return image


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would clip to white where it should scale
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels are not supported")
    return image


_CHUNK = 64
_CHUNK_BYTES = 2**23


@dataclass
class _Chunk:
    """Decoded images, and what is wrong with some files: (file, why) and (file, its size)."""

    pixels: Images
    """Of what is wrong, whatever was there."""
    broken: list[tuple[str, str]] = field(default_factory=list)
    other_size: list[tuple[str, Size]] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    """The files whose aspect ratio is another than that of the given size."""


@dataclass(frozen=True)
class ImageFiles:
    """Image files below `root` that become one array (N, H, W, 3).

    `first` is the file that the size is of; empty where the size was given.
    """

    root: Path
    names: Sequence[str]
    first: str
    size: Size
    how: Resize = "stretch"

    @classmethod
    def of(
        cls, root: Path, names: Sequence[str], size: Size | None, how: Resize = "stretch"
    ) -> "ImageFiles":
        """Look at as many as it takes to know their size; DataError if none can be decoded."""
        first, known = ("", size) if size else first_image(root, names)
        return cls(root, names, first, known, how)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the array."""
        return len(self.names), *self.size, 3

    def decode(self, store: Callable[[Images], object], progress: Progress) -> list[str]:
        """Decode all of them; `store` takes the next images (n, H, W, 3), in order, in this thread.

        Returns:
            The files whose aspect ratio is another than that of the size that was given.

        Raises:
            DataError: Images are broken (named), or differ in size while none was given.
        """
        broken, other_size = list[tuple[str, str]](), list[tuple[str, Size]]()
        reshaped = list[str]()
        step = max(1, min(_CHUNK, _CHUNK_BYTES // math.prod(self.shape[1:])))
        parts = (self.names[start : start + step] for start in range(0, len(self.names), step))
        done = 0
        # Pillow's remarks on odd palettes and EXIF are not about what we read.
        with (
            warnings.catch_warnings(action="ignore"),
            OrderedPrefetcher(self._chunk, parts, 2 * THREADS) as chunks,
        ):
            for chunk in chunks:
                store(chunk.pixels)
                broken += chunk.broken
                other_size += chunk.other_size
                reshaped += chunk.reshaped
                done += len(chunk.pixels)
                progress("decoding images", done, len(self.names))
        if broken:
            raise broken_images(self.root, broken)
        if other_size:
            height, width = self.size
            other, (other_height, other_width) = other_size[0]
            raise DataError(
                f"{self.root}: images differ in size: {printable(self.first)} is "
                f"{height}x{width}, {printable(other)} is {other_height}x{other_width}",
                remedy="bring all to one size with -S data.image_size=32",
            )
        return reshaped

    def _chunk(self, names: Sequence[str]) -> _Chunk:
        chunk = _Chunk(np.zeros((len(names), *self.shape[1:]), np.uint8))
        wanted = None if self.first else self.size
        for index, name in enumerate(names):
            try:
                pixels, original = decode(self.root / name, wanted, self.how)
            except BrokenImage as error:
                chunk.broken.append((name, str(error)))
                continue
            if wanted and _changes_shape(original, wanted):
                chunk.reshaped.append(name)
            if pixels.shape == self.shape[1:]:
                chunk.pixels[index] = pixels
            else:
                chunk.other_size.append((name, pixels.shape[:2]))
        return chunk


def decode_files(files: ImageFiles, progress: Progress) -> tuple[Images, list[str]]:
    """`ImageFiles.decode` into one array (N, H, W, 3) in memory.

    Raises:
        DataError: They do not fit into memory; or see `ImageFiles.decode`.
    """
    count, height, width, _ = files.shape
    require_memory(
        f"{files.root}: {count} images of {height}x{width}",
        math.prod(files.shape),
        "make them smaller, e.g. -S data.image_size=32",
    )
    images, done = np.empty(files.shape, np.uint8), 0

    def store(pixels: Images) -> None:
        nonlocal done
        images[done : done + len(pixels)] = pixels
        done += len(pixels)

    return images, files.decode(store, progress)


def first_image(root: Path, files: Sequence[str]) -> tuple[str, Size]:
    """The first file that can be decoded, and its height and width; DataError if none can."""
    broken = []
    for file in files:
        try:
            _, size = decode(root / file)
        except BrokenImage as error:
            broken.append((file, str(error)))
        else:
            return file, size
    raise broken_images(root, broken)


def broken_images(root: Path, broken: Sequence[tuple[str, str]]) -> DataError:
    """The error that names these (file, why)."""
    images = "1 image" if len(broken) == 1 else f"{len(broken)} images"
    return DataError(
        f"{root}: {images} cannot be read",
        names=[f"{printable(file)} ({why})" for file, why in broken],
        remedy=f"repair or remove {'it' if len(broken) == 1 else 'them'}",
    )
