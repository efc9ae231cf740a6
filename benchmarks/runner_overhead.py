"""What the runner costs: a step in `involbench run` over a step in a bare `model.fit`.

Both are whole processes, started in turn; a step's time is an epoch's training seconds over its
steps, epochs after the first, median. Run: python benchmarks/runner_overhead.py [PAIRS]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

IMAGES, BATCH, EPOCHS = 5120, 256, 4
SPEC = """
name: overhead
data: {dataset: npz, path: data.npz}
models: {model: {architecture: ARCHITECTURE}}
training: {epochs: EPOCHS, batch_size: BATCH}
"""
BARE = """
import sys, json, keras, numpy as np
from involbench.models import build_model
from involbench.training.history import EpochHistory
architecture, epochs, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = np.load("data.npz")
images = {part: data["x_" + part].astype("float32") / 255 for part in ("train", "test")}
keras.utils.set_random_seed(0)
model = build_model(architecture, (32, 32, 3), 10)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
history = EpochHistory(epochs, lambda report: None)
model.fit(images["train"], data["y_train"], batch, epochs, verbose=0, callbacks=[history],
          validation_data=(images["test"], data["y_test"]))
print(json.dumps(history.values["seconds"]))
"""


def main() -> None:
    """Print, for the CNN and the INN, the ratio pair by pair."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"images 32x32x3, batch {BATCH}, {IMAGES // BATCH} steps an epoch, {pairs} pairs")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        _write_data()
        for architecture in ("keras_io_cnn", "keras_io_inn"):
            rows = [(_in_runner(architecture), _in_bare_fit(architecture)) for _ in range(pairs)]
            ratios = sorted(ours / bare for ours, bare in rows)
            ours, bare = (1000 * statistics.median(column) for column in zip(*rows, strict=True))
            print(
                f"{architecture}: step {ours:.1f} ms in the runner, {bare:.1f} ms in model.fit; "
                f"ratio median {statistics.median(ratios):.3f} "
                f"(min {ratios[0]:.3f}, max {ratios[-1]:.3f})"
            )


def _write_data() -> None:
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in {"train": IMAGES, "test": 512}.items():
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 10
    np.savez("data.npz", **arrays)


def _step_seconds(seconds: list[float]) -> float:
    return statistics.median(seconds[1:]) / (IMAGES // BATCH)


def _in_runner(architecture: str) -> float:
    text = SPEC.replace("ARCHITECTURE", architecture)
    Path("spec.yaml").write_text(text.replace("EPOCHS", str(EPOCHS)).replace("BATCH", str(BATCH)))
    subprocess.run(
        [sys.executable, "-m", "involbench", "run", "spec.yaml", "--force", "--quiet"],
        check=True,
        capture_output=True,
    )
    newest = max(Path("results/overhead/runs").glob("*/history.json"), key=os.path.getmtime)
    return _step_seconds(json.loads(newest.read_text())["seconds"])


def _in_bare_fit(architecture: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", BARE, architecture, str(EPOCHS), str(BATCH)],
        check=True,
        capture_output=True,
        text=True,
    )
    return _step_seconds(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
