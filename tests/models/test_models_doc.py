"""docs/models.md says what the models are."""

from benchmarks import models_doc
from involbench.models.registry import ARCHITECTURES
from involbench.spec.operators import OPERATORS


def test_the_tables_are_not_stale():
    assert models_doc.document() == models_doc.DOCUMENT.read_text(encoding="utf-8"), (
        "run `make models-doc`"
    )


def test_every_architecture_and_operator_is_in_it():
    text = models_doc.DOCUMENT.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*ARCHITECTURES, *OPERATORS))
    assert tuple(OPERATORS) == models_doc.OPERATORS
