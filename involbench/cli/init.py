"""`involbench init`: a spec to start from."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from involbench.cli._options import complete_shipped, output_option
from involbench.cli._output import echo
from involbench.errors import UsageError


def init(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The experiment's name: a-z, 0-9, - and _."),
    ] = None,
    output: Annotated[Path | None, output_option("The file; default: NAME.yaml.")] = None,
    copied: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="EXPERIMENT",
            autocompletion=complete_shipped,
            help="Copy an experiment that comes with involbench, such as cifar10.",
        ),
    ] = None,
    plugin: Annotated[
        bool,
        typer.Option(
            "--plugin",
            help="Write a plugin with an operator and a network, its test, and a spec for them.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Overwrite the file if it exists.")
    ] = False,
    slurm: Annotated[
        bool,
        typer.Option("--slurm", help="Also write a Slurm array script beside it, NAME.sbatch."),
    ] = False,
    shards: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Jobs of the array.")
    ] = 4,
) -> None:
    """Write an experiment file to start from.

    It is a commented example, or with `--from` a copy of an experiment that comes with involbench.
    With `--slurm`, a script that runs it on a cluster is written too, and an experiment file that
    exists stays as it is. With `--plugin`, you get an operator and a network to start from.
    """
    if plugin and (copied or slurm):
        raise UsageError(f"--plugin: leave out {'--from' if copied else '--slurm'}")
    name = name or copied or ("my_operator" if plugin else "experiment")
    path = output or Path(f"{name}.yaml")
    _check(name)
    if plugin:
        _write_plugin(name, path, force)
        return
    if not (slurm and path.is_file()):
        _write(path, _copy(copied, name, path) if copied else _starter(name, path), force)
        echo(f"{path}: written; next: involbench run {path}")
    if slurm:
        script = path.with_suffix(".sbatch")
        spec, number = quote(str(path)), str(shards)
        words = {"NAME": name, "FILE": str(script), "SPEC": spec, "SHARDS": number}
        _write(script, _filled("slurm.sh", words), force)
        echo(f"{script}: written; check it, then: sbatch {script}")


def _write_plugin(name: str, spec: Path, force: bool) -> None:
    """Write NAME.py, test_NAME.py and the spec, all or none."""
    module = name.replace("-", "_")
    if not module.isidentifier():
        raise UsageError(f"{name!r} cannot name a Python file; begin with a letter")
    file, test = (spec.with_name(f"{each}.py") for each in (module, f"test_{module}"))
    words = {"FILE": str(file), "SPEC": str(spec), "THIS": str(test), "NAME": _quoted(name)}
    templates = {file: "starter_plugin.py.txt", test: "starter_plugin_test.py.txt",
                 spec: "starter_plugin.yaml"}  # fmt: skip
    for path in templates:
        _check_writable(path, force)
    for path, template in templates.items():
        _write(path, _filled(template, {**words, "HERE": file.name}), force)
    echo(f"{file}, {test}, {spec}: written; next: involbench check-operator {file}:gate, then")
    echo(f"involbench run {spec} --plugin {file}")


def _check(name: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    from involbench.errors import UsageError
    from involbench.schema_types import Name

    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        rule = "at most 64 of a-z, 0-9, - and _, starting with a letter or digit"
        raise UsageError(f"{name!r} cannot name an experiment: expected {rule}") from None


def _starter(name: str, file: Path) -> str:
    """A commented spec to start from, which is valid as it is."""
    text = _template("starter.yaml").replace("NAME", _quoted(name), 1)
    return text.replace("NAME", name).replace("FILE", str(file))


def _copy(experiment: str, name: str, file: Path) -> str:
    """The text of an experiment that comes with involbench, under another name."""
    from involbench.spec.load import shipped_experiments
    from involbench.text import suggest

    shipped = shipped_experiments()
    if experiment not in shipped:
        raise UsageError(
            f"--from {experiment}: no such experiment; {suggest(experiment, [*shipped])}"
        )
    text = shipped[experiment].read_text(encoding="utf-8")
    text = text.replace(f"involbench run {experiment}", f"involbench run {file}")
    return re.sub("^name: .*$", f"name: {_quoted(name)}", text, count=1, flags=re.MULTILINE)


def _quoted(name: str) -> str:
    from involbench.spec.yaml import parse

    return name if parse(name).value == name else f'"{name}"'


def _filled(template: str, words: Mapping[str, str]) -> str:
    """A template with its words in capitals replaced."""
    return re.sub("|".join(words), lambda found: words[found[0]], _template(template))


def _template(name: str) -> str:
    return (files("involbench.spec") / name).read_text(encoding="utf-8")


def _write(path: Path, text: str, force: bool) -> None:
    from involbench.results.files import write_atomic

    _check_writable(path, force)
    write_atomic(path, text.encode())


def _check_writable(path: Path, force: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path}: expected the name of a file in a folder that exists")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists already; --force overwrites it, -o names another file")
