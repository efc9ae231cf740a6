"""Images of any shape -> images of one shape."""

from typing import Literal, get_args

from PIL import Image, ImageOps

Resize = Literal["stretch", "crop", "pad"]
RESIZES: tuple[Resize, ...] = get_args(Resize)
Size = tuple[int, int]
"""Height and width."""


def resized(image: Image.Image, size: Size, how: Resize = "stretch") -> Image.Image:
    """Resize an image, bilinear with antialiasing.

    Args:
        image: Of any size.
        size: The (height, width) wanted.
        how: `stretch` changes the shape of what is seen; `crop` cuts off what is too much at two
            sides; `pad` adds black at two sides. What stays is in the middle.
    """
    width_first = size[::-1]
    if image.size == width_first:
        return image
    if how == "crop":
        return ImageOps.fit(image, width_first, Image.Resampling.BILINEAR)
    if how == "pad":
        return ImageOps.pad(image, width_first, Image.Resampling.BILINEAR)
    return image.resize(width_first, Image.Resampling.BILINEAR)


def changes_shape(original: Size, size: Size) -> bool:
    """Whether stretching to `size` would change the aspect ratio by more than rounding does."""
    (height, width), (new_height, new_width) = original, size
    fitting = min(new_height / height, new_width / width)
    return round(fitting * height) != new_height or round(fitting * width) != new_width
