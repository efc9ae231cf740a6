"""The text of a `run.json` -> the record, quickly for many that are alike.

The runs of a model have the same settings, versions and dataset in their records. This text is
validated once, and one object of it is part of all their records. The rest of a record, which
differs in each run, is validated each time.
"""

from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_core import from_json, to_json

from involbench import __version__
from involbench.errors import ResultsError
from involbench.results.migrations import migrate, writer
from involbench.results.record import Record, RunRecord
from involbench.schema_types import Seed
from involbench.text import excerpt

_COMMON = frozenset(("trial", "argv", "versions", "hardware", "git", "data"))
"""The fields that are equal in the runs of a model, except for the seed in the trial. In the text
that `run` writes, they stand together, between `log_tail` and `started`."""
_OWN: dict[str, Any] = {
    name: (field.annotation, field)
    for name, field in RunRecord.model_fields.items()
    if name not in _COMMON
}
_OwnPart = create_model(
    "_OwnPart", __base__=Record, **_OWN, trial=Annotated[Seed, Field(strict=True)]
)
"""A record with the seed in place of the common fields."""
_EXAMPLE = b'{"schema_version": 1, "run_id": "", "status": "finished", "ended": "", "seconds": 0, '
"""Valid values of the other fields; `started` comes last."""

_TRIAL, _SEED, _STARTED = b'\n  "trial": ', b'\n    "seed": ', b'\n  "started": '
_LARGEST_KEPT = 2**16
"""Bytes of common text; records with more are validated as a whole."""
_Model = TypeVar("_Model", bound=BaseModel)


def parse_record(text: bytes) -> RunRecord:
    """The content of a `run.json`, brought up to date if an older version wrote it.

    Raises:
        ResultsError: It is damaged, not a record, or from a newer version.
    """
    return _quickly_parsed(text) or _parsed(text)


def fault(error: ValidationError) -> str:
    """The first problem, in one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "damaged: not a whole JSON document"
    place = excerpt(".".join(str(part) for part in first["loc"]), 80)
    return f"not a record of this version: {place}: {excerpt(first['msg'])}"


def _quickly_parsed(text: bytes) -> RunRecord | None:
    """The record, if its text is valid and laid out as `run` writes it; else None.

    The text is cut into a start, the common text before and after the seed, the seed, and an end.
    The start, the seed as the only `trial`, and the end together are a valid object, so the common
    text, which is a list of whole members, is valid in place of the seed.
    """
    first = text.find(_TRIAL)
    seed = text.find(_SEED, first)
    after = text.find(b",", seed)
    last = text.rfind(_STARTED)
    if not -1 < first < seed < after < last < first + _LARGEST_KEPT:
        return None
    number = text[seed + len(_SEED) : after]
    own_text = b"".join((text[:first], _TRIAL, number, b",", text[last:]))
    if not number.isdigit() or b"\\" in own_text or own_text.count(b'"trial"') != 1:
        return None
    common = _common_part(text[first + len(_TRIAL) : seed], text[after:last])
    if common is None:
        return None
    try:
        own = _OwnPart.model_validate_json(own_text)
    except ValidationError:
        return None
    if "schema_version" not in own.model_fields_set:
        return None
    record, given = common
    values, trial = own.__dict__, record.trial
    changed = _model(trial, {**trial.__dict__, "seed": values["trial"]}, trial.model_fields_set)
    values = {**record.__dict__, **values, "trial": changed}
    return _model(record, values, _union(given, frozenset(own.model_fields_set)))


@lru_cache(maxsize=1024)
def _common_part(before: bytes, after: bytes) -> tuple[RunRecord, frozenset[str]] | None:
    """A record with this text before and after the seed, and its common fields; None if invalid."""
    try:
        for seed in (1, 0):
            text = b"".join((_TRIAL, before, _SEED, b"%d" % seed, after, _STARTED, b'""}'))
            document = from_json(b"{" + text)
            given = document.keys() - {"started"}
            if not given <= _COMMON or document["trial"]["seed"] is not seed:
                return None
        return RunRecord.model_validate_json(_EXAMPLE + text), frozenset(given)
    except (ValueError, TypeError, LookupError):
        return None


@lru_cache(maxsize=1024)
def _union(one: frozenset[str], other: frozenset[str]) -> set[str]:
    """One object for many records."""
    return {*one, *other}


def _model(example: _Model, values: dict[str, Any], given: set[str]) -> _Model:
    """The model with other valid values, as `model_construct` in a tenth of its time.

    Args:
        example: A model of the same class.
        values: All its fields.
        given: The names of those that do not have their default.
    """
    model = object.__new__(type(example))
    for name, value in (
        ("__dict__", values),
        ("__pydantic_fields_set__", given),
        ("__pydantic_extra__", None),
        ("__pydantic_private__", None),
    ):
        object.__setattr__(model, name, value)
    return model


def _parsed(text: bytes) -> RunRecord:
    try:
        document = from_json(text, allow_inf_nan=False)
        # A number too large for a float was read as infinite, which no record holds.
        from_json(to_json(document, inf_nan_mode="constants"), allow_inf_nan=False)
    except ValueError as error:
        raise ResultsError("damaged: not a whole JSON document") from error
    current = migrate(document)
    try:
        return RunRecord.model_validate_json(to_json(current))
    except ValidationError as error:
        wrote = writer(current)
        other = f"; involbench {wrote} wrote it, this is {__version__}" if wrote else ""
        raise ResultsError(fault(error) + ("" if wrote == __version__ else other)) from error
