"""Write the tables of sizes in docs/reference/, and print them.

Run: python -m benchmarks.models_doc
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from involbench.registry import operators

_REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
PAGES = (_REFERENCE / "architectures.md", _REFERENCE / "operators.md")
_BEGIN, _END = "<!-- made by `make models-doc`: {} -->", "<!-- end -->"

Model = tuple[str, dict[str, Any]]

SMALL: tuple[Model, ...] = (
    ("plain", {}),
    ("plain", {"operator": "involution"}),
    ("keras_io_cnn", {}),
    ("keras_io_inn", {}),
    ("keras_io_control", {}),
    ("pythonguides_cnn", {}),
    ("pythonguides_inn", {}),
    ("residual_involution", {}),
    ("residual_involution", {"operator": "convolution"}),
)
_REDNET = {26: (9.23, 1.73), 38: (12.39, 2.22), 50: (15.54, 2.71), 101: (25.65, 4.74)}
_REDNET |= {152: (33.99, 6.79)}
Published = tuple[float | None, float | None]
PUBLISHED: tuple[tuple[str, dict[str, Any], Published], ...] = (
    *(("rednet", {"depth": depth}, of) for depth, of in _REDNET.items()),
    *(("rednet", {"depth": depth, "stem_kernel_size": 7}, of) for depth, of in _REDNET.items()),
    ("resnet", {"depth": 18}, (11.69, None)),
    ("resnet", {"depth": 26}, (None, None)),
    ("resnet", {"depth": 38}, (None, None)),
    ("resnet", {"depth": 50}, (25.56, None)),
    ("resnet", {"depth": 101}, (44.55, None)),
    ("resnet", {"depth": 152}, (60.19, None)),
)
"""Millions of parameters and G of multiply-accumulates, by the authors and torchvision."""


def documents() -> dict[Path, str]:
    """The pages with their tables made anew."""
    made = tables()

    def table(match: re.Match[str]) -> str:
        return "\n".join([match[0].partition("\n")[0], *made[match[1]], _END])

    pattern = re.compile(f"{_BEGIN.format('([a-z]+)')}.*?{_END}", re.DOTALL)
    return {page: pattern.sub(table, page.read_text(encoding="utf-8")) for page in PAGES}


def tables() -> dict[str, list[str]]:
    """The lines of each table."""
    return {"small": [*_small()], "slot": [*_operators()], "imagenet": [*_imagenet()]}


def _small() -> Iterator[str]:
    columns = ("model", "parameters", "trainable", "operator", "norm.", "head", "other", "MACs")
    yield from _head(columns)
    for name, arguments in SMALL:
        yield _row(_describe(name, arguments), *_sizes(name, (32, 32, 3), 10, arguments))


def _operators() -> Iterator[str]:
    columns = ("operator", "parameters", "trainable", "operator", "norm.", "head", "other", "MACs")
    yield from _head(columns)
    for operator in operators():
        arguments = {"depth": 26, "stem": "cifar", "operator": operator}
        yield _row(f"`{operator}`", *_sizes("resnet", (32, 32, 3), 10, arguments))


def _imagenet() -> Iterator[str]:
    columns = ("model", "trainable", "million", "published", "MACs", "G", "with more", "published")
    yield from _head(columns)
    for name, arguments, (millions, giga) in PUBLISHED:
        model = _build(name, (224, 224, 3), 1000, arguments)
        counted = _count(model)
        cells = (
            f"{counted.trainable:,}",
            f"{counted.trainable / 1e6:.2f}",
            "" if millions is None else f"{millions:.2f}",
            f"{counted.macs:,}",
            f"{counted.macs / 1e9:.2f}",
            f"{(counted.macs + _more(model)) / 1e9:.2f}",
            "" if giga is None else f"{giga:.2f}",
        )
        yield _row(_describe(name, arguments), *cells)


def _more(model: Any) -> int:
    """Two for each value that is normalized, one for each that is rectified, and span biases."""
    from keras import layers

    from involbench.layers import Involution2D

    count = 0
    for layer in model.layers:
        values = math.prod(layer.output.shape[1:])
        if isinstance(layer, layers.BatchNormalization | layers.ReLU):
            count += values * (1 if isinstance(layer, layers.ReLU) else 2)
        elif isinstance(layer, Involution2D):
            pixels = values // layer.output.shape[-1]
            count += pixels * (3 * layer.reduce.filters + layer.span.filters)
    return count


def _sizes(
    name: str, shape: tuple[int, int, int], classes: int, arguments: dict[str, Any]
) -> tuple[str, ...]:
    counted = _count(_build(name, shape, classes, arguments))
    assert not counted.not_counted, counted.not_counted
    by_role = counted.by_role.values()
    numbers = (counted.total, counted.trainable, *by_role, counted.macs)
    return tuple(f"{number:,}" for number in numbers)


def _build(name: str, shape: tuple[int, int, int], classes: int, arguments: dict[str, Any]) -> Any:
    from involbench.models import build_model
    from involbench.models.parameters import build_without_weights

    with build_without_weights():
        return build_model(name, shape, classes, **arguments)


def _count(model: Any) -> Any:
    from involbench.models.parameters import count_parameters

    return count_parameters(model)


def _describe(name: str, arguments: dict[str, Any]) -> str:
    settings = ", ".join(f"{key}: {value}" for key, value in arguments.items())
    return f"`{name}`" + (f", `{settings}`" if settings else "")


def _head(columns: Sequence[str]) -> Iterator[str]:
    yield _row(*columns)
    yield _row("---", *["---:"] * (len(columns) - 1))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for page, made in documents().items():
        page.write_text(made, encoding="utf-8")
        print("\n".join(line for line in made.splitlines() if line.startswith("|")))
