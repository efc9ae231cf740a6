"""Changes of images, on the CPU in NumPy, uint8 in and out: augmentation, and corruptions.

Training images are augmented at random. Trained models are tested on corrupted test images: noise,
blur and contrast are those of Hendrycks and Dietterich, Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations, ICLR 2019, arXiv 1903.12261.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from involbench.errors import DataError

Images = NDArray[np.uint8]


def augment(images: Images, names: Sequence[str], rng: np.random.Generator) -> Images:
    """Apply the named augmentations in order; the batch (B, H, W, C) itself is never changed.

    Args:
        names: Any of "flip" and "crop"; with none the batch itself is returned.
        rng: Draws for every image of its own.

    Raises:
        DataError: A name is unknown.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise DataError(f"unknown augmentation {name!r}; known: {', '.join(AUGMENTATIONS)}")
        images = AUGMENTATIONS[name](images, rng)
    return images


def _flip(images: Images, rng: np.random.Generator) -> Images:
    """Mirror each image left to right with probability 1/2."""
    mirrored = rng.random(len(images)) < 0.5
    flipped = images.copy()
    flipped[mirrored] = images[mirrored, :, ::-1]
    return flipped


def _crop(images: Images, rng: np.random.Generator) -> Images:
    """Shift each image by up to an eighth of its side (4 pixels of 32), with zeros coming in."""
    batch, height, width, channels = images.shape
    down, right = max(1, height // 8), max(1, width // 8)
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)))
    top = rng.integers(0, 2 * down + 1, batch)
    left = rng.integers(0, 2 * right + 1, batch)
    # Windows over rows of pixel bytes: 20 times faster than indexing every pixel.
    rows = padded.reshape(batch, height + 2 * down, -1)
    windows = sliding_window_view(rows, (height, width * channels), axis=(1, 2))
    return windows[np.arange(batch), top, left * channels].reshape(images.shape)


AUGMENTATIONS: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    "flip": _flip,
    "crop": _crop,
}


Draws = Sequence[np.random.Generator]

# Each kind of draw has a stream of its own, so that no change is tied to another.
_STREAMS = {"noise": 11, "shift": 12}


def changed(images: Images, kind: str, value: float, seed: int, first: int = 0) -> Images:
    """Change images in one way; those given are left as they are.

    What is drawn for an image depends on the seed and on its place in the test set alone: not on
    the batch, and not on the value, so that stronger noise is the same noise, made stronger.

    Args:
        images: (B, H, W, C).
        kind: One of `CONDITIONS`.
        value: How strong; in the unit of the kind.
        first: Place of the first image in the test set.

    Returns:
        (B, H, W, C), or (B, value, value, C) for `image_size`.

    Raises:
        DataError: The kind is unknown.
    """
    if kind not in CONDITIONS:
        raise DataError(f"unknown condition {kind!r}; known: {', '.join(CONDITIONS)}")
    stream = _STREAMS.get(kind, 0)
    places = range(first, first + len(images)) if stream else ()
    draws = [np.random.default_rng((stream, seed, place)) for place in places]
    return CONDITIONS[kind](images, value, draws)


def _noise(images: Images, deviation: float, draws: Draws) -> Images:
    """Gaussian noise of this standard deviation, as a share of the full range."""
    shape = images.shape[1:]
    noise = np.stack([draw.standard_normal(shape, np.float32) for draw in draws])
    return _pixels(images + np.float32(255 * deviation) * noise)


def _blur(images: Images, deviation: float, draws: Draws) -> Images:
    """A Gaussian window of this standard deviation in pixels, mirrored at the edges."""
    from scipy import ndimage  # It is slow to import, and few experiments have this condition.

    window = (0, deviation, deviation, 0)
    return _pixels(ndimage.gaussian_filter(images.astype(np.float32), window, mode="reflect"))


def _contrast(images: Images, factor: float, draws: Draws) -> Images:
    """Each pixel's distance from the mean of its image and channel, times the factor."""
    mean = images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return _pixels(mean + np.float32(factor) * (images - mean))


def _shift(images: Images, pixels: float, draws: Draws) -> Images:
    """Each image up, down, left or right by so many pixels, mirrored where nothing is known."""
    by = int(pixels)
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (by, by), (by, by), (0, 0)), mode="symmetric")
    corners = ((0, by), (2 * by, by), (by, 0), (by, 2 * by))
    drawn = (corners[draw.integers(4)] for draw in draws)
    rows: Iterator[Images] = (
        image[top : top + height, left : left + width]
        for image, (top, left) in zip(padded, drawn, strict=True)
    )
    return np.stack(list(rows))


def _image_size(images: Images, side: float, draws: Draws) -> Images:
    """Resized to a square, bilinear with antialiasing, as the dataset folder resizes."""
    size = (int(side), int(side))
    resized = np.empty((len(images), *size, images.shape[3]), np.uint8)
    for index, image in enumerate(images):
        for channel in range(images.shape[3]):
            plane = Image.fromarray(np.ascontiguousarray(image[:, :, channel]))
            smooth = plane.resize(size, Image.Resampling.BILINEAR)
            resized[index, :, :, channel] = np.asarray(smooth)
    return resized


def _pixels(values: NDArray[np.float32]) -> Images:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CONDITIONS: dict[str, Callable[[Images, float, Draws], Images]] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
    "shift": _shift,
    "image_size": _image_size,
}
