"""The JSON Schema of a spec, for editors and other tools."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from involbench.spec.schema import ExperimentSpec
from involbench.spec.wording import KeyPath


def json_schema() -> dict[str, Any]:
    """The schema of `ExperimentSpec`, in the draft that pydantic writes (2020-12)."""
    schema = ExperimentSpec.model_json_schema()
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "involbench experiment",
    }


def json_schema_text() -> str:
    """The schema as it is printed, and published in `involbench/spec/schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


@cache
def keys_of(section: type[BaseModel]) -> tuple[KeyPath, ...]:
    """Every key that a section can have, and every key below it, without those in lists."""
    schema = section.model_json_schema()
    return tuple(dict.fromkeys(_keys(schema, schema.get("$defs", {}), ())))


def _keys(schema: Mapping[str, Any], shared: Mapping[str, Any], at: KeyPath) -> Iterator[KeyPath]:
    if "$ref" in schema:
        yield from _keys(shared[schema["$ref"].rpartition("/")[2]], shared, at)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _keys(choice, shared, at)
    for name, below in schema.get("properties", {}).items():
        yield (*at, name)
        yield from _keys(below, shared, (*at, name))
