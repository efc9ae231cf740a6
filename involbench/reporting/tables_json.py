"""Comparisons as one strict JSON document."""

import json
from collections.abc import Iterable

from involbench.analysis.comparison import COMPARISON_VERSION, Comparison


def comparison_json(comparisons: Iterable[Comparison]) -> str:
    """`{"schema_version": ..., "experiments": [...]}`, each as in `comparison.json`."""
    document = {
        "schema_version": COMPARISON_VERSION,
        "experiments": [comparison.model_dump(mode="json") for comparison in comparisons],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
