"""The registries of operators, architectures, datasets and metrics: a decorated function each.

The keyword arguments of the function are the keys that a spec may give, their annotations the
types, and the docstring's `Args:` the descriptions. The built-in ones are in
`involbench.operators`, `involbench.models` and `involbench.data`; a user's own are registered when
their file is imported.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import create_model

from involbench.argument_fields import argument_fields
from involbench.errors import Message, RegistryError
from involbench.schema_types import StrictModel

Faults = dict[str, str]
Check = Callable[[Mapping[str, Any], Sequence[int]], Faults]
"""The arguments that a spec gives and the channels of every layer -> what is wrong, by argument."""

Role = Literal["operator", "normalization", "head", "other"]

ImageShape = tuple[tuple[int, int, int], int]
"""Input shape (H, W, C) and number of classes."""

PREPARATION = frozenset({"train_size", "validation", "normalization", "augmentation"})
"""The keys of a spec's `data` that are for every dataset, and not for its function."""
POSITIONAL = ("channels", "kernel_size", "strides")


@dataclass(frozen=True)
class Operator:
    """One registered operator."""

    name: str
    build: Callable[..., Any]
    """(channels, kernel_size, strides, **arguments) -> an unbuilt Keras layer."""
    arguments: type[StrictModel]
    """The operator's own arguments, as a spec gives them."""
    role: Role
    keeps_channels: bool
    """Whether the result has as many channels as the input, whatever `channels` is."""
    check: Check
    macs: Callable[..., int] | None
    """(layer, input shape, output shape) -> multiply-accumulates of one image, if declared."""
    where: str
    """FILE:LINE of the function."""


@dataclass(frozen=True, eq=False)
class Architecture:
    """One registered architecture."""

    name: str
    build: Callable[..., Any]
    """(input_shape, num_classes, **arguments) -> an untrained Keras model."""
    fields: Mapping[str, Any]
    """The architecture's own arguments, as fields of a pydantic model."""
    summary: str
    """The first paragraph of the docstring."""
    any_image_size: Callable[[Mapping[str, Any]], bool]
    """Arguments -> whether its weights fit images of every size."""
    channels: Callable[[Mapping[str, Any]], Sequence[int]]
    scale: Callable[[Mapping[str, Any], int], Mapping[str, Any]] | None
    where: str
    """FILE:LINE of the function."""


@dataclass(frozen=True, eq=False)
class DatasetLoader:
    """One registered dataset."""

    name: str
    build: Callable[..., Any]
    """(**arguments) -> the arrays by name, or an `involbench.data.Dataset`."""
    fields: Mapping[str, Any]
    """The dataset's arguments, as fields of a pydantic model."""
    describe: Callable[..., ImageShape] | None
    status: Callable[[], Message] | None
    where: str
    """FILE:LINE of the function."""

    def takes(self, key: str) -> bool:
        """Whether the function has this argument, which may be one that no spec can give."""
        return key in inspect.signature(self.build).parameters


Unit = Literal["percent", "plain", "seconds", "milliseconds", "epochs", "bytes", "count"]
"""The printed unit. Milliseconds are stored as seconds, percent as fractions."""
Better = Literal["higher", "lower"]
MetricKind = Literal["arithmetic", "measured", "learned"]


@dataclass(frozen=True)
class Metric:
    """One number for each run of a model."""

    title: str
    """Its name in a sentence."""
    header: str
    """Its column header."""
    unit: Unit = "plain"
    better: Better | None = None
    exact: bool = False
    """Whether it is a count, the same in every run of an arm; a difference needs no test."""
    favors_constant_predictor: bool = False
    """Whether a network that gives every image the same answer is at its best in it."""

    @property
    def kind(self) -> MetricKind:
        """How a difference in it is decided.

        Counts are compared. Times and sizes are of one machine, of which seeds are no sample: their
        ratio is given with its spread, without a test. All else is tested over seeds.
        """
        if self.exact:
            return "arithmetic"
        return "measured" if self.unit in ("seconds", "milliseconds", "bytes") else "learned"


@dataclass(frozen=True)
class PredictionMetric:
    """One registered metric: a number for the predictions of a run."""

    name: str
    compute: Callable[..., float | None]
    """The inputs by name -> the value."""
    inputs: Sequence[str]
    """Those of `PREDICTION_INPUTS` that it takes."""
    metric: Metric
    where: str
    """FILE:LINE of the function."""


PREDICTION_INPUTS = ("labels", "predicted", "probabilities")
"""NumPy arrays: true classes (N,), predicted classes (N,), and probabilities (N, classes)."""

Registered = Operator | Architecture | DatasetLoader
"""What decides the results of a trial."""

_Entry = TypeVar("_Entry")
_Number = TypeVar("_Number", bound=float | None)
_operators: dict[str, Operator] = {}
_architectures: dict[str, Architecture] = {}
_datasets: dict[str, DatasetLoader] = {}
_metrics: dict[str, PredictionMetric] = {}
_OPERATORS = {
    "convolution": "keras_layers", "involution": "involution", "depthwise": "keras_layers",
    "static_shared": "static_shared", "local_self_attention": "attention",
    "outlook_attention": "attention", "none": "keras_layers",
}  # fmt: skip
_ARCHITECTURES = {
    "keras_io_cnn": "keras_io", "keras_io_inn": "keras_io", "keras_io_control": "keras_io",
    "pythonguides_cnn": "pythonguides", "pythonguides_inn": "pythonguides", "plain": "keras_io",
    "residual_involution": "residual_involution", "resnet": "resnet", "rednet": "resnet",
}  # fmt: skip
_DATASETS = {
    "cifar10": "cifar", "cifar100": "cifar", "digits": "digits", "folder": "folder", "npz": "npz",
    "table": "table",
}  # fmt: skip
"""The built-in ones with their modules, in the order in which messages and tables list them."""


def operators() -> dict[str, Operator]:
    """All operators by name: the built-in ones first."""
    return _with_builtins(_operators, "involbench.operators", _OPERATORS)


def operator(
    *,
    role: Role = "operator",
    keeps_channels: bool = False,
    check: Check = lambda given, channels: {},
    macs: Callable[..., int] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function (channels, kernel_size, strides, *, ...) that returns a Keras layer.

    Args:
        role: The role of its parameters in tables: operator, normalization, head or other.
        keeps_channels: The layer can't change the number of channels.
        check: Finds arguments that don't fit the channels.
        macs: Counts the multiply-accumulates. By default the layer's own method `count_macs` does
            (shapes of one image -> the number), or they are counted from the Keras layers in it; a
            layer of another kind is named as not counted.

    Raises:
        RegistryError: The name is taken, an argument has no type, or the positional arguments are
            not the three of the contract.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name, where = _new("operator", function, _operators, operators)
        fields = argument_fields(function, POSITIONAL, where)
        model = create_model(name, __base__=StrictModel, **fields)
        _operators[name] = Operator(name, function, model, role, keeps_channels, check, macs, where)
        return function

    return register


def architectures() -> dict[str, Architecture]:
    """All architectures by name: the built-in ones first."""
    return _with_builtins(_architectures, "involbench.models", _ARCHITECTURES)


def architecture(
    *,
    any_image_size: bool | Callable[[Mapping[str, Any]], bool] = False,
    channels: Callable[[Mapping[str, Any]], Sequence[int]] = lambda arguments: (),
    scale: Callable[[Mapping[str, Any], int], Mapping[str, Any]] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function (input_shape, num_classes, *, ...) that returns a Keras model.

    Args:
        any_image_size: The weights fit images of every size, because no layer depends on the
            number of pixels; or a function of the arguments that says so.
        channels: Arguments -> the channels of each layer of the argument `operator`.
        scale: (arguments, width) -> the arguments to change so that the model has this width. An
            architecture with an argument `width` needs none. Only architectures with a width can
            have `match` in a spec.

    Raises:
        RegistryError: The name is taken, an argument has no type, or the positional arguments are
            not the two of the contract.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name, where = _new("architecture", function, _architectures, architectures)
        fields = argument_fields(function, ("input_shape", "num_classes"), where)
        paragraph = (inspect.getdoc(function) or "").partition("\n\n")[0]
        fits = any_image_size if callable(any_image_size) else lambda given: bool(any_image_size)
        by_width = (lambda given, width: {"width": width}) if "width" in fields else None
        _architectures[name] = Architecture(
            name, function, fields, " ".join(paragraph.split()), fits, channels,
            scale or by_width, where,
        )  # fmt: skip
        return function

    return register


def datasets() -> dict[str, DatasetLoader]:
    """All datasets by name: the built-in ones first."""
    return _with_builtins(_datasets, "involbench.data", _DATASETS)


def dataset(
    *,
    describe: Callable[..., ImageShape] | None = None,
    status: Callable[[], Message] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function (*, ...) that returns labelled images.

    It returns a mapping of NumPy arrays, as in an npz file: `x_train` and `x_test`, uint8 images
    (N, H, W, C) or (N, H, W); `y_train` and `y_test`, integer labels (N,) from 0 up; and,
    optionally, `class_names`. The keys `path`, `image_size`, `resize` and `test_fraction` of a spec
    are for the datasets that have an argument of that name.

    Two more arguments are not keys of a spec: `_notify`, to be called with one line before anything
    that takes long, and `_progress`, with (what, done, total).

    Args:
        describe: The image shape and the number of classes, for the same arguments as a spec gives
            them. By default the images are loaded.
        status: For `doctor`: where the images are on this machine. A remedy in the message means
            that they must be downloaded first.

    Raises:
        RegistryError: The name is taken, or an argument has no type, can't be given by its name,
            or has the name of a key that every dataset has.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name, where = _new("dataset", function, _datasets, datasets)
        fields = argument_fields(function, (), where)
        for key in fields.keys() & {*PREPARATION, "dataset"}:
            raise RegistryError(
                f"{where}: {name}: every dataset has the key {key!r}; choose another name"
            )
        _datasets[name] = DatasetLoader(name, function, fields, describe, status, where)
        return function

    return register


def prediction_metrics() -> dict[str, PredictionMetric]:
    """All registered metrics by name."""
    import_module("involbench.statistics.classification")
    return _metrics


def metric(
    *,
    title: str = "",
    header: str = "",
    unit: Unit = "plain",
    better: Better | None = None,
    favors_constant_predictor: bool = False,
) -> Callable[[Callable[..., _Number]], Callable[..., _Number]]:
    """Register a function that returns a number for the predictions of a run.

    It takes `labels` (N,), `predicted` (N,) or `probabilities` (N, classes), whichever it needs, as
    NumPy arrays: for example (labels, probabilities). Where it has no value, it returns None.

    Args:
        title: The name in a sentence; by default that of the function, with spaces.
        header: The column header; by default the title.
        unit: The printed unit.
        better: Whether a higher or a lower value is better; by default neither.
        favors_constant_predictor: The same answer for every image gives the best value.

    Raises:
        RegistryError: The name is taken, or the function takes another argument.
    """

    def register(function: Callable[..., _Number]) -> Callable[..., _Number]:
        name, where = _new("metric", function, _metrics, prediction_metrics)
        if (
            not is_built_in(function)
            and name in import_module("involbench.comparison.metrics").METRICS
        ):
            raise RegistryError(f"{where}: involbench has a metric {name}; choose another name")
        inputs = tuple(inspect.signature(function).parameters)
        if not inputs or not set(inputs) <= set(PREDICTION_INPUTS):
            raise RegistryError(
                f"{where}: {name} may take {', '.join(PREDICTION_INPUTS)}; "
                f"it takes {inspect.signature(function)}"
            )
        words = title or name.replace("_", " ")
        described = Metric(
            words, header or words, unit, better,
            favors_constant_predictor=favors_constant_predictor,
        )  # fmt: skip
        _metrics[name] = PredictionMetric(name, function, inputs, described, where)
        return function

    return register


def is_built_in(function: Callable[..., Any]) -> bool:
    """Whether it is a function of involbench."""
    return function.__module__.startswith("involbench.")


def forget(file: str) -> None:
    """Remove what a file has registered, so that it can be imported again."""
    for known in _everything():
        for name in [name for name, each in known.items() if each.where.rpartition(":")[0] == file]:
            del known[name]


def files_of_users() -> dict[str, str]:
    """The files that registered something and are not of involbench; each with its module."""
    found = [(each.where, _function(each)) for known in _everything() for each in known.values()]
    return {where.rpartition(":")[0]: f.__module__ for where, f in found if not is_built_in(f)}


def _everything() -> tuple[dict[str, Any], ...]:
    return _operators, _architectures, _datasets, _metrics


def _function(entry: Any) -> Callable[..., Any]:
    return entry.compute if isinstance(entry, PredictionMetric) else entry.build


def _with_builtins(
    found: dict[str, _Entry], package: str, builtin: Mapping[str, str]
) -> dict[str, _Entry]:
    """The built-in ones in their order, however imported; then the others."""
    if list(islice(found, len(builtin))) != list(builtin):
        for module in set(builtin.values()):
            import_module(f"{package}.{module}")
        ordered = {name: found[name] for name in dict.fromkeys((*builtin, *found))}
        found.clear()
        found.update(ordered)
    return found


def _new(
    kind: str, function: Callable[..., Any], known: Mapping[str, Any], builtin: Callable[[], object]
) -> tuple[str, str]:
    """The name of a function to register, and its FILE:LINE.

    Raises:
        RegistryError: The name is taken, perhaps by a built-in one that was not imported yet.
    """
    name, code = function.__name__, inspect.unwrap(function).__code__
    where = f"{Path(code.co_filename)}:{code.co_firstlineno}"
    if not is_built_in(function):
        builtin()
    # The cell of a notebook may be run again.
    if name in known and not function.__module__ == _function(known[name]).__module__ == "__main__":
        raise RegistryError(
            f"{where}: the {kind} {name!r} is already registered, "
            f"at {known[name].where}; choose another name"
        )
    return name, where
