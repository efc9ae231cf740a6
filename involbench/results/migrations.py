"""Records of other versions: older records are updated while they are read, newer ones refused.

The `schema_version` in `run.json` also holds for the other files of the run. Files on disk are not
changed.
"""

import re
from collections.abc import Callable
from typing import Any

from involbench import __version__
from involbench.errors import ResultsError
from involbench.results.record import SCHEMA_VERSION

Document = dict[str, Any]
Step = Callable[[Document], Document]


class NewerRecord(ResultsError):
    """A later version of involbench wrote the record."""


STEPS: dict[int, Step] = {}
"""Older version -> the function that turns its records into those of the next version.

A step does not set `schema_version`. Version 1 is the first version, so there are no steps yet.
"""

_VERSION = re.compile(r"\d+(\.\w+)+")


def migrate(document: Any) -> Document:
    """The content of a `run.json` of any version, as this version would have written it.

    Raises:
        ResultsError: It is not a record, or an older record that is damaged.
        NewerRecord: It was written by a later version of involbench.
    """
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int:
        raise ResultsError("not a record of this version: it has no schema_version")
    if version > SCHEMA_VERSION:
        raise NewerRecord(_newer(document, version))
    for older in range(version, SCHEMA_VERSION):
        if older not in STEPS:
            raise ResultsError(f"not a record of any version: schema_version {older} was never one")
        try:
            document = {**STEPS[older](document), "schema_version": older + 1}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ResultsError(f"damaged: not a record of schema_version {older}") from error
    return dict(document)


def writer(document: Any) -> str | None:
    """The version of involbench that wrote a record, if the record has it."""
    versions = document.get("versions") if isinstance(document, dict) else None
    version = versions.get("involbench") if isinstance(versions, dict) else None
    plain = isinstance(version, str) and len(version) < 40 and _VERSION.fullmatch(version)
    return version if plain else None


def _newer(document: Document, version: int) -> str:
    wrote = writer(document)
    needed = f"install involbench {wrote} or newer" if wrote else "install a newer involbench"
    return (
        f"written by {f'involbench {wrote}' if wrote else 'a newer involbench'} "
        f"(schema_version {str(version)[:20]}; this one, {__version__}, reads {SCHEMA_VERSION}): "
        f"{needed} to read it"
    )
