"""One image file -> an array of RGB pixels."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from involbench.data.dataset import Images
from involbench.data.resize import Resize, Size, resized
from involbench.data.source import reason
from involbench.regular_file import open_regular

# Part of the cache's key, with Pillow's version: raise it when the pixels change, or what is kept
# beside them.
DECODER_VERSION = 2

# Named, so that a file of another kind behind an image's extension never reaches its decoder
# (that of EPS would start another program).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


class BrokenImage(Exception):
    """An image file that cannot be decoded; the message says why."""


def decode(path: Path, size: Size | None = None, how: Resize = "stretch") -> tuple[Images, Size]:
    """Decode one image to (H, W, 3) uint8, upright as its EXIF orientation says.

    Of an animation, the first frame.

    Args:
        path: A PNG, JPEG, WebP or BMP file.
        size: (height, width) to resize to; None to keep the size.
        how: See `resized`.

    Returns:
        The pixels, and the height and width that the image had.

    Raises:
        BrokenImage: it cannot be decoded, for whatever reason.
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
        why = "a link that leads nowhere" if path.is_symlink() else "no such file"
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
