"""The tables of docs/reference/ have the sizes of the models."""

import re

from benchmarks import models_doc

TEXTS = {page: page.read_text(encoding="utf-8") for page in models_doc.PAGES}
DOCUMENT = "".join(TEXTS.values())
SLOT = DOCUMENT.partition(": slot -->")[2].partition("<!-- end -->")[0]


def test_the_tables_are_not_stale():
    assert models_doc.documents() == TEXTS, "run `make models-doc`"


def test_sizes_at_1000_classes_are_those_published():
    rows = re.findall(r"^\| `(r..net)`, `depth: ([^`]+)` \|(.*)\|$", DOCUMENT, re.MULTILINE)
    cells = {(name, which): [*map(str.strip, rest.split("|"))] for name, which, rest in rows}
    resnet = {"18": "11.69", "50": "25.56", "101": "44.55", "152": "60.19"}
    rednet = {"26": "9.23", "38": "12.39", "50": "15.54", "101": "25.65", "152": "33.99"}
    computed = {"26": "1.73", "38": "2.22", "50": "2.71", "101": "4.74", "152": "6.79"}
    for depth, published in resnet.items():
        assert cells["resnet", depth][1:3] == [published] * 2
    for depth, published in rednet.items():
        _, millions, beside, _, _, giga, counted = cells["rednet", f"{depth}, stem_kernel_size: 7"]
        assert (millions, giga) == (beside, counted) == (published, computed[depth])
        # With the classifier's smaller stem the deepest one is below what is published.
        assert cells["rednet", depth][1] == ("33.98" if depth == "152" else published)


def test_the_operators_of_the_slot_have_as_many_parameters_as_their_formulas():
    """Of 3x3 in ResNet-26, whose operators have these channels, and eight heads."""
    widths = (64, *[128] * 2, *[256] * 4, 512)
    formulas = {
        "convolution": lambda c: 9 * c * c,
        # Reduce to a quarter, normalization, and nine taps for every 16 channels.
        "involution": lambda c: c * (c // 4) + 2 * (c // 4) + (c // 4 + 1) * 9 * (c // 16),
        "depthwise": lambda c: 9 * c,
        "static_shared": lambda c: 9 * (c // 16),
        # Queries, keys and values; embeddings of three rows and three columns, of half a head each.
        "local_self_attention": lambda c: 3 * c * c + 3 * c,
        # Values, a window's weights for a window a head, and the projection.
        "outlook_attention": lambda c: c * c + (c + 1) * 8 * 81 + (c + 1) * c,
        "none": lambda c: 0,
    }
    for operator, formula in formulas.items():
        (row,) = re.findall(rf"^\| `{operator}` \|(.*)\|$", SLOT, re.MULTILINE)
        counted = int(row.split("|")[2].replace(",", ""))
        assert counted == sum(map(formula, widths)), operator
