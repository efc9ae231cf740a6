"""The registry of operators: one decorated function declares all that the project knows of one.

The keyword arguments of the function are the keys that a spec may give, their annotations the
types, and the docstring's `Args:` the descriptions. Built-in operators are the modules of
`involbench.operators`; a user's own are registered when their file is imported.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, create_model

from involbench.errors import UsageError
from involbench.schema_types import StrictModel

Faults = dict[str, str]
Check = Callable[[Mapping[str, Any], Sequence[int]], Faults]
"""The arguments that a spec gives and the channels of every layer -> what is wrong, by argument."""

Role = Literal["operator", "normalization", "head", "other"]

_STRICT = ConfigDict(strict=True)
POSITIONAL = ("channels", "kernel_size", "strides")


class RegistryError(UsageError):
    """A registered function breaks the contract; the message has its file and line."""


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


_operators: dict[str, Operator] = {}
_BUILT_IN = (
    "convolution", "involution", "depthwise", "local_self_attention", "outlook_attention", "none",
)  # fmt: skip
"""Modules of `involbench.operators`, in the order in which messages and tables list them."""


def operators() -> dict[str, Operator]:
    """All operators by name: the built-in ones first."""
    for name in _BUILT_IN:
        import_module(f"involbench.operators.{name}")
    return _operators


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
        macs: Counts the multiply-accumulates. By default they are counted from the Keras layers
            in it; a layer of another kind is named as not counted.

    Raises:
        RegistryError: The name is taken, an argument has no type, or the positional arguments are
            not the three of the contract.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name, where = function.__name__, _where(function)
        taken = _operators.get(name)
        if taken is None and not function.__module__.startswith("involbench.operators"):
            taken = operators().get(name)
        if taken is not None:
            raise RegistryError(
                f"{where}: the operator {name!r} is already registered, "
                f"at {taken.where}; choose another name"
            )
        model = arguments_model(function, POSITIONAL, where)
        _operators[name] = Operator(name, function, model, role, keeps_channels, check, macs, where)
        return function

    return register


def arguments_model(
    function: Callable[..., Any], positional: Sequence[str], where: str
) -> type[StrictModel]:
    """The keyword arguments of a function as a strict pydantic model.

    Raises:
        RegistryError: The function breaks the contract.
    """
    parameters = inspect.signature(function).parameters.values()
    given = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if given != list(positional) or any(p.kind is p.VAR_KEYWORD for p in parameters):
        expected = ", ".join(positional)
        raise RegistryError(
            f"{where}: {function.__name__} must take ({expected}, *, ...); "
            f"it takes {inspect.signature(function)}"
        )
    try:
        types = get_type_hints(function, include_extras=True)
    except Exception as error:
        raise RegistryError(f"{where}: {function.__name__}: {error}") from error
    described = _descriptions(inspect.getdoc(function) or "")
    fields: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name.startswith("_"):
            continue
        if parameter.name not in types:
            raise RegistryError(
                f"{where}: {function.__name__}: the keyword {parameter.name!r} needs a type"
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        if default not in (..., None):  # None: the layer or the architecture decides.
            try:
                TypeAdapter(types[parameter.name], config=_STRICT).validate_python(default)
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                raise RegistryError(
                    f"{where}: {function.__name__}: the keyword {parameter.name!r} has the default "
                    f"{default!r}: {reason}"
                ) from error
        text = described.get(parameter.name)
        fields[parameter.name] = (types[parameter.name], Field(default, description=text))
    return create_model(function.__name__, __base__=StrictModel, **fields)


def _descriptions(docstring: str) -> dict[str, str]:
    """The texts under `Args:`, by argument."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", docstring, re.MULTILINE)
    found = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section[1] if section else "", re.M)
    return {name: " ".join(text.split()) for name, text in found}


def _where(function: Callable[..., Any]) -> str:
    code = inspect.unwrap(function).__code__
    return f"{Path(code.co_filename)}:{code.co_firstlineno}"
