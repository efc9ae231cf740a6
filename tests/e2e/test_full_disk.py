"""A disk that is really full, and pipes that nobody reads."""

import shutil
import subprocess
import sys

import pytest

from tests.cli import COMMAND, TINY
from tests.e2e.resumable import ONE, of_one, outcome, prepared

IN_A_SMALL_DISK = """\
mount -t tmpfs -o size=1500k none results || exit 99
"$@"
echo "first $?" >&2
mount -o remount,size=100m none results
"$@"
echo "second $?" >&2
cp -r results/tiny kept
"""
UNSHARE = ["unshare", "--map-root-user", "--mount"]


def may_mount() -> bool:
    mount = [*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(mount, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="a small disk takes the right to mount one")
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_space(undisturbed, tmp_path):
    spec = prepared(tmp_path / "b", ONE)
    (spec.parent / "results").mkdir()
    command = [*UNSHARE, "sh", "-c", IN_A_SMALL_DISK, "sh", *COMMAND, "run", str(spec)]
    done = subprocess.run(command, cwd=spec.parent, capture_output=True, text=True, timeout=300)
    assert "first 1" in done.stderr, done.stderr
    assert "second 0" in done.stderr, done.stderr
    assert "No space left on device" in done.stderr.partition("first 1")[0]
    assert "Traceback" not in done.stderr
    (spec.parent / "kept").rename(spec.parent / "results/tiny")
    assert outcome(spec.parent) == of_one(undisturbed)


@pytest.mark.skipif(not may_mount(), reason="a read-only folder takes the right to mount one")
def test_a_read_only_folder_is_found_before_training(tmp_path):
    spec = prepared(tmp_path / "b")
    (spec.parent / "results").mkdir()
    script = 'mount -t tmpfs -o ro none results && "$@"'
    command = [*UNSHARE, "sh", "-c", script, "sh", *COMMAND, "run", str(spec)]
    done = subprocess.run(command, cwd=spec.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "Read-only file system" in done.stderr
    assert "--results" in done.stderr
    assert "Traceback" not in done.stderr
    assert "epoch 1" not in done.stderr


@pytest.mark.parametrize("command", ["schema", "compare --help", "params"])
def test_a_reader_who_leaves_is_no_error(tmp_path, command):
    shell = f'set -o pipefail; {sys.executable} -m involbench {command} | true; echo "$?"'
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "0\n"
    assert done.stderr == ""


@pytest.mark.thorough
def test_a_run_whose_messages_nobody_reads_goes_on(tmp_path):
    spec = tmp_path / "tiny.yaml"
    lines = TINY.replace("io_cnn", "io_control").replace("seeds: 2", "seeds: 1").splitlines(True)
    spec.write_text("".join(line for line in lines if not line.startswith("  inn:")))
    shell = f"set -o pipefail; {sys.executable} -m involbench run {spec.name} 2>&1 | true; echo $?"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=spec.parent, capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "0\n"
    assert len(outcome(tmp_path)) == 1
