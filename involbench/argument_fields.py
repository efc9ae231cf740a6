"""The keyword arguments of a registered function as the keys of a spec."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from involbench.errors import RegistryError

_STRICT = ConfigDict(strict=True)


def argument_fields(
    function: Callable[..., Any], positional: Sequence[str], where: str
) -> dict[str, Any]:
    """The keyword arguments of a function as fields for `pydantic.create_model`.

    Raises:
        RegistryError: The function breaks the contract.
    """
    parameters = inspect.signature(function).parameters.values()
    given = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if given != list(positional) or any(p.kind is p.VAR_KEYWORD for p in parameters):
        expected = ", ".join([*positional, "*", "..."])
        raise RegistryError(
            f"{where}: {function.__name__} must take ({expected}); "
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
        # Without a text here, the description of the type remains.
        text: dict[str, Any] = (
            {"description": described[parameter.name]} if parameter.name in described else {}
        )
        fields[parameter.name] = (types[parameter.name], Field(default, **text))
    return fields


def _descriptions(docstring: str) -> dict[str, str]:
    """The texts under `Args:`, by argument."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", docstring, re.MULTILINE)
    found = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section[1] if section else "", re.M)
    return {name: " ".join(text.split()) for name, text in found}
