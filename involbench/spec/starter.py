"""The spec that `involbench init` writes."""

from importlib.resources import files

from pydantic import TypeAdapter, ValidationError

from involbench.errors import UsageError
from involbench.spec.section import Name
from involbench.spec.yaml_source import parse


def starter_text(name: str, file: str) -> str:
    """A commented spec to start from, which is valid as it is.

    Args:
        name: The experiment's name.
        file: How the comments call the file.

    Raises:
        UsageError: The name is not one that an experiment can have.
    """
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        rule = "at most 64 of a-z, 0-9, - and _, starting with a letter or digit"
        raise UsageError(f"{name!r} cannot name an experiment: expected {rule}") from None
    quoted = name if parse(name).value == name else f'"{name}"'
    template = (files("involbench.spec") / "starter.yaml").read_text(encoding="utf-8")
    return template.replace("NAME", quoted, 1).replace("NAME", name).replace("FILE", file)
