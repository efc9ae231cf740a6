"""What `involbench init` writes: a spec, and a job script that runs it in parts."""

import re
from importlib.resources import files
from shlex import quote

from pydantic import TypeAdapter, ValidationError

from involbench.errors import UsageError
from involbench.schema_types import Name
from involbench.spec.yaml import parse


def starter_text(name: str, file: str) -> str:
    """A commented spec to start from, which is valid as it is.

    Raises:
        UsageError: The name is not one that an experiment can have.
    """
    _check(name)
    quoted = name if parse(name).value == name else f'"{name}"'
    template = _template("starter.yaml")
    return template.replace("NAME", quoted, 1).replace("NAME", name).replace("FILE", file)


def slurm_text(name: str, file: str, spec: str, shards: int) -> str:
    """A script for Slurm that runs a spec as an array of jobs, each with a part of the trials.

    Raises:
        UsageError: The name is not one that an experiment can have.
    """
    _check(name)
    words = {"NAME": name, "FILE": file, "SPEC": quote(spec), "SHARDS": str(shards)}
    return re.sub("|".join(words), lambda found: words[found[0]], _template("slurm.sh"))


def _check(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        rule = "at most 64 of a-z, 0-9, - and _, starting with a letter or digit"
        raise UsageError(f"{name!r} cannot name an experiment: expected {rule}") from None


def _template(name: str) -> str:
    return (files("involbench.spec") / name).read_text(encoding="utf-8")
