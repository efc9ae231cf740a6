"""How much the tests do: what every commit is held to, or all there is (`make test-all`)."""

import os
from typing import TypeVar

Examples = TypeVar("Examples")

THOROUGH = bool(os.environ.get("INVOLBENCH_THOROUGH"))
"""Whether those that are marked `thorough` run too: long, for what they add to the others."""


def examples(few: Examples, many: Examples) -> Examples:
    """What a test tries, or how much of it: the first for every commit, the second for all."""
    return many if THOROUGH else few
