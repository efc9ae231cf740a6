"""What the tests of specs share."""

from pathlib import Path

import pytest

from involbench.errors import SpecError
from involbench.spec.load import load_spec

GOOD = """\
name: quick
data:
  dataset: digits
models:
  cnn: {architecture: keras_io_cnn}
  inn: {architecture: keras_io_inn, kernel_size: 3}
training:
  epochs: 2
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(folder: Path, text: str | bytes, *overrides: str) -> str:
    """The message about a bad spec, with the file called `x.yaml`."""
    path = written(folder, text)
    with pytest.raises(SpecError) as caught:
        load_spec(path, overrides)
    return str(caught.value).replace(str(path), "x.yaml")


def heads(message: str) -> list[str]:
    """The lines of a message without the quoted lines of the file."""
    return [line for line in message.splitlines() if not line.startswith("  ")]
