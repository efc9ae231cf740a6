"""The JSON Schema of a spec, for editors and other tools."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from involbench.spec.schema import ExperimentSpec


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
