"""One image file -> an array of RGB pixels."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from involbench.data.dataset import Images
from involbench.data.source import reason

Size = tuple[int, int]

# Part of the cache's key, with Pillow's version: raise it when the pixels change.
DECODER_VERSION = 1

# Named, so that a file of another kind behind an image's extension never reaches its decoder
# (that of EPS would start another program).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


class BrokenImage(Exception):
    """An image file that cannot be decoded; the message says why."""


def decode(path: Path, size: Size | None = None) -> Images:
    """Decode one image to (H, W, 3) uint8, upright as its EXIF orientation says.

    Args:
        size: (height, width) to resize to, bilinear with antialiasing, whatever the aspect ratio.

    Raises:
        BrokenImage: it cannot be decoded, for whatever reason.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            image.load()
            rgb = _eight_bits(_upright(image)).convert("RGB")
    except UnidentifiedImageError:
        raise BrokenImage("not a PNG, JPEG, WebP or BMP image") from None
    except Exception as error:  # decoders raise nearly anything on damaged input
        raise BrokenImage(reason(error).removesuffix(".")) from error
    if size is not None and rgb.size != size[::-1]:
        rgb = rgb.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(rgb)


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
