"""`involbench schema`: the JSON Schema of a spec."""

from pathlib import Path
from typing import Annotated

from involbench.cli._options import Plugins, output_option
from involbench.cli._output import echo


def schema(
    output: Annotated[Path | None, output_option("Write to this file instead of stdout.")] = None,
    plugins: Plugins = None,
) -> None:
    """Print the JSON Schema of experiment files, for editors."""
    from involbench.results.files import write_atomic
    from involbench.spec.schema import json_schema_text

    if output is None:
        echo(json_schema_text(), nl=False)
    else:
        write_atomic(output, json_schema_text().encode())
