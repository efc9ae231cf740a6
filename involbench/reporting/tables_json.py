"""Comparisons as one strict JSON document."""

import json
from collections.abc import Iterable

from involbench.analysis.comparison import COMPARISON_VERSION, Comparison
from involbench.analysis.two_trees import TreeComparison
from involbench.results.record import Record


def comparison_json(comparisons: Iterable[Comparison]) -> str:
    """`{"schema_version": ..., "experiments": [...]}`, each as in `comparison.json`."""
    return _document("experiments", comparisons)


def trees_json(compared: Iterable[TreeComparison]) -> str:
    """`{"schema_version": ..., "against": [...]}`, an experiment each."""
    return _document("against", compared)


def _document(name: str, records: Iterable[Record]) -> str:
    document = {
        "schema_version": COMPARISON_VERSION,
        name: [record.model_dump(mode="json") for record in records],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
