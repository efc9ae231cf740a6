"""docs/models.md says what the models are."""

import re

from benchmarks import models_doc
from involbench.models.registry import ARCHITECTURES
from involbench.spec.operators import OPERATORS

DOCUMENT = models_doc.DOCUMENT.read_text(encoding="utf-8")


def test_the_tables_are_not_stale():
    assert models_doc.document() == DOCUMENT, "run `make docs`"


def test_millions_at_1000_classes_are_those_published():
    rows = re.findall(r"^\| `(r..net)`, `depth: (\d+)` \|(.*)\|$", DOCUMENT, re.MULTILINE)
    cells = {(name, int(depth)): [*map(str.strip, rest.split("|"))] for name, depth, rest in rows}
    assert cells.keys() == models_doc.PUBLISHED.keys()
    for model, (trainable, million, published, *_) in cells.items():
        assert f"{int(trainable.replace(',', '')) / 1e6:.2f}" == million
        assert published == f"{models_doc.PUBLISHED[model][0]:.2f}"
        # The authors give 33.99 for their layers' 33,984,582.
        assert million == ("33.98" if model == ("rednet", 152) else published)


def test_every_architecture_and_operator_is_in_it():
    assert all(f"`{name}`" in DOCUMENT for name in (*ARCHITECTURES, *OPERATORS))
    assert tuple(OPERATORS) == models_doc.OPERATORS
