"""The dataset `folder`: the user's own images in class folders."""

from typing import Any

from involbench.data.source import Notify, Progress, silent
from involbench.registry import ImageShape, dataset
from involbench.schema_types import Fraction, ImageSize, Resize


def _describe(**arguments: Any) -> ImageShape:
    from involbench.data.image_files import Source, describe_images, read_tree

    source = Source(**arguments)
    return describe_images(read_tree(source), source)


@dataset(describe=_describe)
def folder(
    *,
    path: str,
    image_size: ImageSize = None,
    resize: Resize = "stretch",
    test_fraction: Fraction = 0.2,
    _notify: Notify = silent,
    _progress: Progress = silent,
) -> Any:
    """Load `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified split.

    Args:
        path: The path of the images' folder.
        image_size: A side or (height, width) to resize to; None keeps the size.
        resize: How to resize if the aspect ratio differs.
        test_fraction: Share of the images to hold out where there is no test split.
    """
    from involbench.data.image_files import Source, load_images, read_tree

    source = Source(path, image_size, resize, test_fraction, _notify, _progress)
    return load_images(read_tree(source), source)
