"""The dataset `digits`: scikit-learn's handwritten digits, enlarged: no download."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from involbench.errors import Message
from involbench.registry import ImageShape, dataset
from involbench.schema_types import ImageSize, Resize

if TYPE_CHECKING:
    import numpy as np

_SIDE = 32
_TEST_FRACTION = 0.2
_SPLIT_SEED = 0


def _size(image_size: ImageSize) -> tuple[int, int]:
    side = image_size or _SIDE
    return (side, side) if isinstance(side, int) else side


def _describe(image_size: ImageSize = None, **_: Any) -> ImageShape:
    return (*_size(image_size), 3), 10


@dataset(describe=_describe, status=lambda: Message("comes with scikit-learn"))
def digits(*, image_size: ImageSize = None, resize: Resize = "stretch") -> Any:
    """1797 digits 0 to 9, of which a fixed stratified fifth is the test split.

    Args:
        image_size: A side or (height, width) to resize to; None for 32.
        resize: How to resize if the aspect ratio differs.
    """
    import numpy as np
    from PIL import Image

    from involbench.data.dataset import stratified_split
    from involbench.data.decoding import resized

    values, labels = _read()
    images = np.empty((len(values), *_size(image_size), 3), np.uint8)
    for index, value in enumerate(values):
        grey = Image.fromarray(np.round(value * (255 / 16)).astype(np.uint8))
        # Bilinear: in blocks of 4x4 equal pixels most 3x3 kernels would see no change at all.
        enlarged = np.asarray(resized(grey, _size(image_size), resize))
        images[index] = enlarged[:, :, np.newaxis]
    train, test = stratified_split(labels, _TEST_FRACTION, _SPLIT_SEED)
    return {
        "x_train": images[train], "y_train": labels[train],
        "x_test": images[test], "y_test": labels[test],
    }  # fmt: skip


def _read() -> tuple["np.ndarray", "np.ndarray"]:
    """(1797, 8, 8) values 0..16, and their labels.

    From scikit-learn's own file, since its import takes longer than everything else here.
    """
    import numpy as np

    found = find_spec("sklearn")
    package = Path(found.origin if found and found.origin else __file__).parent
    if (file := package / "datasets/data/digits.csv.gz").is_file():
        rows = np.loadtxt(file, delimiter=",")
        values, labels = rows[:, :-1], rows[:, -1].astype(int)
    else:
        from sklearn import datasets

        values, labels = datasets.load_digits(return_X_y=True)
    return values.reshape(-1, 8, 8), labels
