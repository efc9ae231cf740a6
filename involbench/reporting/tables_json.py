"""Comparisons as one strict JSON document."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from involbench.analysis.comparison import COMPARISON_VERSION, Comparison
from involbench.analysis.two_trees import TreeComparison


def comparison_json(experiments: Iterable[Sequence[Comparison]]) -> str:
    """`{"schema_version": ..., "experiments": [...]}`, each as in `comparison.json`.

    Args:
        experiments: The comparisons of each, one a group of settings.
    """
    return _document("experiments", map(comparison_document, experiments))


def comparison_document(groups: Sequence[Comparison]) -> dict[str, Any]:
    """The comparison of an experiment's first group, with those of the others, if there are any."""
    first, *others = groups
    document = first.model_dump(mode="json")
    if not others:
        return document
    alone = [{**each.model_dump(mode="json"), **_settings(each)} for each in others]
    return {**document, **_settings(first), "other_settings": alone}


def trees_json(compared: Iterable[TreeComparison]) -> str:
    """`{"schema_version": ..., "against": [...]}`, an experiment each."""
    return _document("against", (each.model_dump(mode="json") for each in compared))


def _settings(comparison: Comparison) -> dict[str, Any]:
    return {"settings": comparison.settings, "is_stated": comparison.is_stated}


def _document(name: str, documents: Iterable[dict[str, Any]]) -> str:
    document = {"schema_version": COMPARISON_VERSION, name: list(documents)}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
