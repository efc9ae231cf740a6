"""What a second job gains: eight small trials with `-j 2` over the same with `-j 1`.

Whole commands, from start to table, in alternation. Run: python -m benchmarks.jobs [N]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = """\
name: jobs
data: {dataset: digits}
models:
  cnn: {architecture: keras_io_cnn}
  inn: {architecture: keras_io_inn}
training: {epochs: 3, batch_size: 64}
seeds: 4
baseline: cnn
"""


def main() -> None:
    """Print the seconds of each, and the ratio turn by turn."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rows = [(_seconds(2), _seconds(1)) for _ in range(turns)]
    ratios = sorted(two / one for two, one in rows)
    two, one = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"8 trials (digits, 3 epochs, batch 64), {turns} turns")
    print(f"-j 2: median {two:.1f} s; -j 1: median {one:.1f} s")
    print(
        f"ratio median {statistics.median(ratios):.2f} (smallest {ratios[0]:.2f}, "
        f"largest {ratios[-1]:.2f})"
    )


def _seconds(jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "jobs.yaml").write_text(SPEC)
        command = [sys.executable, "-m", "involbench", "run", "jobs.yaml", "-q", "-j", str(jobs)]
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
