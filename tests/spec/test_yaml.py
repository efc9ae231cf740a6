"""What counts as YAML, and files that are none."""

from pathlib import Path

import pytest

from involbench.errors import SpecError
from involbench.spec.load import load_spec
from involbench.spec.yaml import parse
from tests.spec.helpers import GOOD, complaint, heads, written

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

FILES: dict[str, tuple[str | bytes, str]] = {
    "syntax": ("name: a\ndata: [1, 2\n", "x.yaml:3:1: not valid YAML: expected ',' or ']'"),
    "tab": ("data:\n\tdataset: digits\n", "x.yaml:2:1: not valid YAML: found character '\\t'"),
    "control character": ("name: \x1b[31m\n", "x.yaml: not valid YAML: unacceptable character"),
    "undefined alias": ("name: *other\n", "x.yaml:1:7: not valid YAML: found undefined alias"),
    "several documents": (
        f"{GOOD}---\n{GOOD}",
        "x.yaml:9:1: not valid YAML: several documents in one file; an experiment is one document",
    ),
    "empty": ("", "x.yaml: empty; `involbench init` writes a spec to start from"),
    "comments only": ("# nothing\n", "x.yaml: empty; `involbench init`"),
    "list": (
        "# x\n- name: a\n",
        "x.yaml:2:1: expected a mapping with the keys name, data and models, got a list",
    ),
    "text": ("hello\n", "x.yaml:1:1: expected a mapping with the keys name, data and models, got"),
    "not UTF-8": (b"name: a\n# caf\xe9\n", "x.yaml:2: not UTF-8 text; save the file as UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "x.yaml:1: not UTF-8 text; save the file as UTF-8"),
    "too large": (b"#" * 2**19, "x.yaml: larger than 256 KiB"),
    "too deep": ("[" * 20_000, "x.yaml: nested too deeply to be an experiment"),
    "alias bomb": (BOMB, "x.yaml: more than 20000 values or 20 levels"),
    "endless alias": ("a: &a [*a]\n", "x.yaml: more than 20000 values or 20 levels"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_spec_gets_one_message(tmp_path: Path, case: str) -> None:
    content, expected = FILES[case]
    (head,) = heads(complaint(tmp_path, content))
    assert head.startswith(expected)


def test_a_tag_runs_no_code(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    tagged = GOOD.replace("quick", f"!!python/object/apply:os.mkdir ['{victim}']")
    assert heads(complaint(tmp_path, tagged)) == [
        "x.yaml:1:7: name: the tag '!!python/object/apply:os.mkdir' is not allowed; "
        "write the value without it"
    ]
    assert not victim.exists()


def test_a_missing_file_suggests_the_one_beside_it(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "x.yml")
    assert str(caught.value) == f"{tmp_path / 'x.yml'}: no such file; did you mean {path}?"


def test_a_missing_folder_and_a_folder_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file; check the path"):
        load_spec(tmp_path / "nowhere" / "x.yaml")
    with pytest.raises(SpecError, match="is a folder; give the YAML file itself"):
        load_spec(tmp_path)


def test_a_file_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: Not a directory"):
        load_spec(written(tmp_path, GOOD) / "x.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-2", -2),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("~/images", "~/images"),
        ("", None),
        ("{1: a, on: b, ~: c}", {"1": "a", "on": "b", "~": "c"}),
        ("[&a [1], *a]", [[1], [1]]),
    ],
)
def test_yaml_is_read_as_version_1_2(text: str, value: object) -> None:
    parsed = parse(text)
    assert parsed.value == value
    assert type(parsed.value) is type(value)
    assert parsed.problems == []


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + GOOD.replace("\n", "\r\n"))
    assert load_spec(path).spec.name == "quick"
