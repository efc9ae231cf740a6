"""What makes the reading of many runs quick changes nothing of what is read or refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from involbench.errors import ResultsError
from involbench.results.files import names_in, read_bytes
from involbench.results.paths import ResultsPath
from involbench.results.record import RunRecord
from involbench.results.record_parsing import parse_record
from involbench.results.tree import ResultsTree, read_run
from tests.results.factory import make_run


def test_records_that_are_alike_are_read_as_each_would_be_alone(tmp_path: Path) -> None:
    for seed in range(4):
        for model in ("cnn", "inn"):
            make_run(tmp_path, model, seed, accuracy=0.5 + seed / 100)
    make_run(tmp_path, "cnn", 9, error="out of memory")
    found, warnings = ResultsTree(tmp_path).runs("digits")
    assert (len(found), warnings) == (9, [])
    for run in found:
        alone = RunRecord.model_validate_json((run.path.path / "run.json").read_text())
        assert run.record == alone
        assert run.record.model_dump_json() == alone.model_dump_json()
        assert run.record.model_fields_set == alone.model_fields_set
    data = {id(run.record.data) for run in found if run.record.trial.model == "inn"}
    assert len(data) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run_id", "other-seed0-00000000"),
        ("seconds", "long"),
        ("metrics", {"test_accuracy": 7}),
        ("metrics", {"test_loss": "1e999"}),
        ("files", {"model.keras": 0.5}),
        ("started", None),
    ],
)
def test_what_a_record_has_of_its_own_is_checked_too(
    tmp_path: Path, key: str, value: object
) -> None:
    make_run(tmp_path, "cnn", 0)
    damaged = make_run(tmp_path, "cnn", 1) / "run.json"
    damaged.write_text(json.dumps({**json.loads(damaged.read_text()), key: value}))
    found, (warning,) = ResultsTree(tmp_path).runs("digits")
    assert [run.record.trial.seed for run in found] == [0]
    assert str(damaged) in warning


@pytest.mark.parametrize("seed", [-1, 2**32, "1", 1.0, True, None])
def test_a_seed_is_as_strict_as_in_a_spec(tmp_path: Path, seed: object) -> None:
    run = make_run(tmp_path, "cnn", 1)
    read_run(ResultsPath(tmp_path) / "digits/runs" / run.name)
    record = json.loads((run / "run.json").read_text())
    record["trial"]["seed"] = seed
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(ResultsError, match="seed"):
        read_run(ResultsPath(tmp_path) / "digits/runs" / run.name)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ('"seed": 1,', '"seed": 01,'),
        ('"seed": 1,', '"seed": 1.0,'),
        ('"seed": 1,', '"seed": 1e0,'),
        ('"seed": 1,', '"seed": 2,\n    "seed": 3,'),
        ('"seed": 1,', '"seed": 4294967296,'),
        ('"point": {}', '"point": {\n  "started": 1, "x": "}, {"}'),
        ('"point": {}', '"point": {\n    "seed": 5,\n  "trial": {"seed": 6}}'),
        ('  "argv"', '  "run_id": "cnn-seed1-00000000",\n  "argv"'),
        ('  "argv"', '  "extra": 1,\n  "argv"'),
        ('  "ended"', '  "trial": null,\n  "ended"'),
        ('  "ended"', '  "tri\\u0061l": null,\n  "ended"'),
        ('  "ended"', '  "started": "another time",\n  "ended"'),
        ('  "ended"', '  "argv": ["another"],\n  "ended"'),
        ('"metrics": {', '"metrics": {\n  "started": 3, "trial": 1, '),
        ('"metrics": {', '"metrics": {"other": NaN, '),
        ('"metrics": {', '"metrics": {"other": 1e999, '),
        ('"trial": {', '"metrics": {\n  "trial": {'),
        ('"notes": []', '"notes": ["\\"trial\\"", "\\n"]'),
        ('"notes": []', '"notes": ["\n"]'),
        ('"notes": []', '"notes": []} {"a": []'),
        ('"error": null,', '"error": null'),
        ('  "trial": {', ' "trial": {'),
    ],
)
def test_a_record_laid_out_to_deceive_is_read_as_its_json_says(
    tmp_path: Path, text: str, other: str
) -> None:
    written = (make_run(tmp_path, "cnn", 1) / "run.json").read_text()
    deceiving = written.replace(text, other, 1)
    assert deceiving != written
    try:
        expected = RunRecord.model_validate_json(deceiving).model_dump_json()
    except ValidationError:
        expected = ""
    found = []
    for content in (written, deceiving, deceiving):
        try:
            found.append(parse_record(content.encode()).model_dump_json())
        except ResultsError:
            found.append("")
    assert found[0] and found[1:] == [expected, expected]


def test_a_record_without_its_version_is_refused_beside_others_that_are_alike(
    tmp_path: Path,
) -> None:
    for seed in range(3):
        path = make_run(tmp_path, "cnn", seed) / "run.json"
    path.write_text(path.read_text().replace('  "schema_version": 1,\n', ""))
    found, (warning,) = ResultsTree(tmp_path).runs("digits")
    assert len(found) == 2 and "it has no schema_version" in warning


def test_nothing_outside_is_reached_from_a_folder_that_is_kept_open(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "results" / "runs" / "one"
    outside.mkdir()
    inside.mkdir(parents=True)
    (outside / "file").write_text("secret")
    (inside / "file").write_text("own")
    runs = ResultsPath(tmp_path / "results") / "runs"
    with runs.kept_open():
        assert read_bytes(runs / "one/file", 10) == b"own"
        shutil.rmtree(inside)
        inside.symlink_to(outside)
        with pytest.raises(ResultsError, match="is a link"):
            read_bytes(runs / "one/file", 10)
        with (runs / "one").kept_open(), pytest.raises(ResultsError, match="is a link"):
            read_bytes(runs / "one/file", 10)
        inside.parent.rename(tmp_path / "results" / "before")
        (tmp_path / "results" / "runs").symlink_to(tmp_path)
        assert names_in(runs) == ["one"]
        assert not (runs / "outside").exists()
    with pytest.raises(ResultsError, match="is a link"):
        names_in(runs)


DIVIDED = """
import os, sys
from pathlib import Path
from involbench.results import parallel
from involbench.results.run_index import read_entries
from involbench.results.tree import ResultsTree

parallel._cores = lambda: 3
runner = os.getpid()

def where(item):
    return item, os.getpid()

def dies_elsewhere(item):
    if os.getpid() != runner:
        os._exit(1)
    return item

tree = ResultsTree(Path(sys.argv[1]))
alone = tree.runs("digits"), read_entries(tree, "digits")
assert {pid for _, pid in parallel.map_many(where, range(9))} == {runner}
parallel._FEWEST = 2
assert (tree.runs("digits"), read_entries(tree, "digits")) == alone
for count in (4, 5, 6, 7, 100):
    items, pids = zip(*parallel.map_many(where, range(count)))
    assert items == tuple(range(count))
    assert len(set(pids)) == min(3, count // 2)
assert parallel.map_many(dies_elsewhere, range(9)) == list(range(9))
print(len(alone[0][0]), len(alone[0][1]))
"""


def test_several_processes_read_what_one_reads(tmp_path: Path) -> None:
    for seed in range(12):
        make_run(tmp_path, "cnn", seed)
    (make_run(tmp_path, "inn", 0) / "run.json").write_text("{")
    make_run(tmp_path, "inn", 1, error="out of memory")
    # In a process of its own: the tests have threads and TensorFlow, with which none is forked.
    command = [sys.executable, "-c", DIVIDED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("13 1\n", "")
