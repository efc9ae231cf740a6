"""MkDocs hooks: the reference of the site, from the commands, the schema and the registries.

`mkdocs build` calls the functions `on_...`. In a page, `<!-- generated: NAME -->` stands for what
the function of that name in `GENERATED` returns.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from os.path import relpath
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import create_model

from involbench.comparison.metrics import METRICS
from involbench.registry import architectures, datasets, operators
from involbench.schema_types import StrictModel

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]+)")
_OUTSIDE = "repository"
"""The folder of the site for files that stand outside docs/ and that a page links to."""

Schema = Mapping[str, Any]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that pages link to."""
    for page in files.documentation_pages():
        for link in _LINK.findall(page.content_string):
            target = _outside(page, link)
            if target is not None and files.get_file_from_path(_name(target)) is None:
                files.append(File.generated(config, _name(target), abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is generated, and mend the links to files outside docs/."""

    def mended(link: re.Match[str]) -> str:
        target = _outside(page.file, link[0])
        folder = Path(page.file.src_uri).parent
        return link[0] if target is None else relpath(_name(target), folder)

    filled = re.sub(r"<!-- generated: (\w+) -->", lambda m: GENERATED[m[1]](), markdown)
    return _LINK.sub(mended, filled)


def _outside(page: File, link: str) -> Path | None:
    """The file that a link means, if that stands outside docs/."""
    docs = ROOT / "docs"
    target = (docs / page.src_uri).parent.joinpath(link).resolve()
    return target if target.is_file() and not target.is_relative_to(docs) else None


def _name(target: Path) -> str:
    return f"{_OUTSIDE}/{target.relative_to(ROOT)}"


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    from typer.main import get_command

    from involbench.cli import _register_commands, app

    _register_commands()
    return "\n\n".join(_command(get_command(app), "involbench"))


def _command(command: Any, path: str) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    if subcommands := getattr(command, "commands", {}):
        for name, subcommand in subcommands.items():
            yield from _command(subcommand, f"{path} {name}")
        return
    usage = " ".join(command.collect_usage_pieces(context))
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    yield f"## {path.removeprefix('involbench ')}\n\n{inspect.cleandoc(command.help)}"
    yield f"```text\n{path} {usage}\n```"
    yield _table(
        ("option", "what it does"), ((f"`{names}`", text) for names, text in filter(None, records))
    )


def spec() -> str:
    """Every key of a spec, from the published schema."""
    schema = json.loads((ROOT / "involbench/spec/schema.json").read_text(encoding="utf-8"))
    sections, done = [("", schema)], set[str]()
    parts = []
    while sections:
        path, node = sections.pop(0)
        if "architecture" not in node["properties"]:
            title, about = f"`{path}`" if path else "The keys", node.get("description", "")
            parts += [f"## {title}", about, _keys(node["properties"], node.get("required", ()))]
        for key, value in node["properties"].items():
            place = ".".join(filter(None, (path, key))) + (".NAME" if key == "models" else "")
            for name in re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(value)):
                if name not in done:
                    done.add(name)
                    sections.append((place, schema["$defs"][name]))
    return "\n\n".join(parts)


def registered_operators() -> str:
    """Every operator, what it is, and its arguments."""
    return "\n\n".join(
        _entry(name, inspect.getdoc(each.build) or "", each.arguments)
        for name, each in operators().items()
    )


def registered_architectures() -> str:
    """Every architecture and its arguments."""
    return _with_fields(architectures())


def registered_datasets() -> str:
    """Every dataset and the keys of `data` that are its own."""
    return _with_fields(datasets())


def metrics() -> str:
    """Every built-in metric."""
    rows = (
        (f"`{name}`", each.title, each.unit, each.better or "", each.kind)
        for name, each in METRICS.items()
    )
    return _table(("name", "what it is", "unit", "better", "how a difference is decided"), rows)


GENERATED = {
    "commands": commands,
    "spec": spec,
    "operators": registered_operators,
    "architectures": registered_architectures,
    "datasets": registered_datasets,
    "metrics": metrics,
}


def _with_fields(entries: Mapping[str, Any]) -> str:
    return "\n\n".join(
        _entry(
            name,
            inspect.getdoc(each.build) or "",
            create_model(name, __base__=StrictModel, **each.fields),
        )
        for name, each in entries.items()
    )


def _entry(name: str, docstring: str, arguments: type[StrictModel]) -> str:
    schema = arguments.model_json_schema()
    about = docstring.partition("\nArgs:")[0].strip()
    keys = _keys(schema.get("properties", {}), schema.get("required", ()))
    return f"### `{name}`\n\n{about}\n\n{keys}".rstrip()


def _keys(properties: Mapping[str, Schema], required: Iterable[str]) -> str:
    rows = [
        (f"`{key}`", _type(value), _default(key, value, required), value.get("description", ""))
        for key, value in properties.items()
    ]
    return _table(("key", "value", "default", "what it does"), rows) if rows else "No keys."


def _default(key: str, value: Schema, required: Iterable[str]) -> str:
    if key in required:
        return "required"
    default = value.get("default")
    # The keys of a mapping have defaults of their own, in their section.
    none = default in (None, "", []) or isinstance(default, dict)
    return "" if none else f"`{json.dumps(default)}`"


_TYPES = {
    "integer": "whole number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
}
_LIMITS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}
_NO_LIMIT = 2**31


def _type(value: Schema) -> str:
    """What a key may be, in words."""
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "$ref" in value:
        return "mapping"
    if either := value.get("anyOf", value.get("oneOf")):
        kinds = dict.fromkeys(_type(each) for each in either if each.get("type") != "null")
        return " or ".join(kinds)
    kind = value.get("type", "any value")
    if kind == "array":
        return f"list ({_type(value.get('items', {}))})"
    named = [_TYPES.get(each, each) for each in ([kind] if isinstance(kind, str) else kind)]
    limits = [
        f"{word} {value[limit]:g}"
        for limit, word in _LIMITS.items()
        if value.get(limit, _NO_LIMIT) < _NO_LIMIT
    ]
    return " ".join([" or ".join(each for each in named if each != "null"), *limits])


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in lines)


def _cell(text: str) -> str:
    """Text of a table. A bar in code does not end the cell."""
    return re.sub(r"(`[^`]*`)|\|", lambda found: found[1] or r"\|", text)
