"""What `--set` changes in the text of a spec, and what it leaves as it was."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from involbench.spec.load import load_spec
from involbench.spec.overrides import assigned, with_assignments
from involbench.spec.yaml import parse
from tests.spec.helpers import GOOD, written
from tests.spec.test_fuzz import FAST

BLOCK = """\
# What is asked?
# Run: involbench run

a:  # one
    b: 1   # two
    # three
    c: "x, y"
    d: |
      # text

      more
    # four
e: {f: 1, g: [2, 3],}  # five
h:
- 1  # six
- {b: 2}
# seven
i:
c: ~  # eight
'k: l': 'it''s'
"""
SOURCES = (
    BLOCK,
    BLOCK.replace("\n", "\r\n"),
    BLOCK.rstrip(),
    "{a: {b: 1}, # one\n e: }\n",
    "---\na:\n  b: &x {c: 1}  # one\ne: *x\nh: &y\n- 1\ni: *y\n...\n",
    "a: b  #\tünï 🙂\ne: {}\n? c\n: {b: 1}  # one\n",
    '"a": {"b":1, "c": [\n  1, # one\n  2]}\n',
    "a: >-\n  folded\n  text\n\n\n",
    "# nothing but a comment\n{}\n",
)
KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h", "i", "k: l", "true", "n", "ü #"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "a: b", "# c", " d ", "1e-3", "null", "no", "010", "~", "=", "-"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)
Change = tuple[tuple[str, ...], Any]
COMMENT = re.compile(r"(?<![^\s,])# \w+[^\r\n]*")


@FAST
@given(
    source=st.sampled_from(SOURCES),
    changes=st.lists(
        st.tuples(st.lists(KEYS, min_size=1, max_size=3).map(tuple), VALUES),
        min_size=1,
        max_size=3,
    ),
)
def test_the_text_says_what_was_set(source: str, changes: list[Change]) -> None:
    expected = parse(source).value
    possible = []
    for path, value in changes:
        try:
            expected = assigned(expected, path, value)
        except ValueError:  # Something there has no keys.
            continue
        possible.append((path, value))
    found = parse(with_assignments(source, possible))
    assert (found.problems, repr(found.value)) == ([], repr(expected))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("a.b", 12, "    b: 12   # two"),
        ("a.c", "z", "    c: z"),
        ("a.new", [1, "x"], "    new: [1, x]"),
        ("e.f", None, "e: {f: null, g: [2, 3],}  # five"),
        ("e.new", "a, b", "e: {f: 1, g: [2, 3], new: 'a, b',}  # five"),
        ("i.j.k", 0.5, "i: {j: {k: 0.5}}"),
        ("c", {}, "c: {}  # eight"),
        ("k: l", "two\nlines", "'k: l': \"two\\nlines\""),
        ("new.below", True, "new: {below: true}"),
    ],
)
def test_one_line_changes_and_no_other(path: str, value: Any, line: str, newline: str) -> None:
    source = BLOCK.replace("\n", newline)
    new = with_assignments(source, [(tuple(path.split(".")), value)])
    before, after = source.split(newline), new.split(newline)
    assert [each for each in after if each not in before] == [line]
    assert len([each for each in before if each not in after]) <= 1
    assert COMMENT.findall(new) == COMMENT.findall(source)


def test_what_an_alias_says_elsewhere_stays() -> None:
    source = "a: &x {b: 1}  # one\ne: *x  # two\n"
    assert with_assignments(source, [(("e", "b"), 2)]) == "a: &x {b: 1}  # one\ne: {b: 2}  # two\n"
    assert parse(with_assignments(source, [(("a", "b"), 2)])).value == {
        "a": {"b": 2},
        "e": {"b": 1},
    }


def test_a_name_alone_becomes_a_mapping_as_the_trials_have_it(tmp_path: Path) -> None:
    path = written(tmp_path, f"# Why?\n{GOOD}  optimizer: sgd  # plain\n")
    loaded = load_spec(
        path, ["training.optimizer.learning_rate=0.5", "models.*.architecture=plain"]
    )
    assert "  optimizer: {name: sgd, learning_rate: 0.5}  # plain\n" in loaded.source
    again = load_spec(written(tmp_path, loaded.source))
    assert again.spec == loaded.spec
    assert loaded.source.startswith("# Why?\n")


def test_the_built_in_spec_and_one_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    digits = load_spec(None, ["seeds=[3]", "data.train_size=50"])
    assert COMMENT.findall(digits.source) == COMMENT.findall(load_spec(None).source)
    assert load_spec(written(tmp_path, digits.source)).spec == digits.spec
    marked = load_spec(written(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()), ["training.epochs=9"])
    assert yaml.safe_load(marked.source)["training"] == {"epochs": 9}
    assert load_spec(written(tmp_path, GOOD)).source == GOOD
