"""The memory of a training on a folder of images that may be larger than memory.

Makes folders of JPEG images that decode to a tenth of GB, and to GB, and trains on each twice:
first the images are decoded, then they are read from the cache. Samples the memory of the processes
every 50 ms. Pages of mapped files are reported apart, since the system drops them when it needs
memory. Linux only. Run: python -m benchmarks.larger_than_memory [GB [FOLDER]]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

SIDE = 128
SPEC = f"""\
name: large
data: {{dataset: folder, path: images, image_size: {SIDE}, normalization: standardize,
  augmentation: [flip], validation: 0.02}}
models:
  model: {{architecture: keras_io_control}}
training: {{epochs: 1, batch_size: 64}}
seeds: 1
baseline: model
"""


def main() -> None:
    """Print the peak memory of each training."""
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5
    for each in (size / 10, size):
        with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
            count = _make_images(Path(folder, "images"), int(each * 1e9) // (3 * SIDE**2))
            print(f"{count} images of {SIDE}x{SIDE}, {count * 3 * SIDE**2 / 1e9:.2f} GB decoded")
            Path(folder, "large.yaml").write_text(SPEC)
            for what in ("decoded and trained on", "trained on from the cache"):
                most = _run(folder)
                print(
                    f"  {what}: at most {most['anonymous'] / 1e9:.2f} GB of its own and "
                    f"{most['mapped'] / 1e9:.2f} GB of mapped files, the largest process"
                )


def _make_images(folder: Path, count: int) -> int:
    """A hundred different images, as often as it takes, in two classes and two splits."""
    rng = np.random.default_rng(0)
    first = []
    for index in range(count):
        split = "test" if index % 100 == 0 else "train"
        path = folder / split / "ab"[index // 100 % 2] / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index < 100:
            coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
            coarse.resize((SIDE, SIDE)).save(path)
            first.append(path)
        else:
            os.link(first[index % 100], path)
    return count


def _run(folder: str) -> dict[str, int]:
    """Train again; the peak memory of a process in bytes, by kind."""
    command = [sys.executable, "-m", "involbench", "run", "large.yaml", "--force", "-q"]
    environment = {**os.environ, "INVOLBENCH_CACHE": str(Path(folder, "cache"))}
    most = {"anonymous": 0, "mapped": 0}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                _note(child.pid, most)
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(process.returncode)
    return most


def _note(pid: int, most: dict[str, int]) -> None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    for kind, name in (("anonymous", "RssAnon"), ("mapped", "RssFile")):
        if name in found:
            most[kind] = max(most[kind], 1024 * int(found[name].split()[0]))


if __name__ == "__main__":
    main()
