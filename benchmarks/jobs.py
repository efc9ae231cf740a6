"""The gain of a second worker: the time of eight trials with `-j 2` relative to `-j 1`.

Times whole commands in alternation, for two sizes of trials. Run: python -m benchmarks.jobs [N]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = """\
name: jobs
data: {dataset: digits, train_size: IMAGES}
models:
  cnn: {architecture: keras_io_cnn}
  inn: {architecture: keras_io_inn}
training: {epochs: EPOCHS, batch_size: 64}
seeds: 4
baseline: cnn
"""
SIZES = ((200, 2), (1437, 3))
"""Images to train on, and epochs."""


def main() -> None:
    """Print the seconds of each, and the ratio turn by turn."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for images, epochs in SIZES:
        spec = SPEC.replace("IMAGES", str(images)).replace("EPOCHS", str(epochs))
        rows = [(_seconds(spec, 2), _seconds(spec, 1)) for _ in range(turns)]
        ratios = sorted(two / one for two, one in rows)
        two, one = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"8 trials (digits, {images} images, {epochs} epochs, batch 64), {turns} turns: "
            f"-j 2 median {two:.1f} s, -j 1 median {one:.1f} s, ratio median "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def _seconds(spec: str, jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "jobs.yaml").write_text(spec)
        command = [sys.executable, "-m", "involbench", "run", "jobs.yaml", "-q", "-j", str(jobs)]
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
