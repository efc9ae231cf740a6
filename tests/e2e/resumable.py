"""An experiment to be cut off, and what must come of it all the same."""

import json
from pathlib import Path

import numpy as np

from tests.cli import TINY
from tests.effort import examples

TRAINING = "epochs: 8, checkpoint_every: 3, label_smoothing: 0.1"
TRAINING += ", learning_rate_schedule: {name: cosine, warmup_epochs: 1}"
SPEC = TINY.replace("epochs: 2", TRAINING).replace("seeds: 2", "seeds: 1")
# One involution, in place of three, takes a third of the time to trace and compile at each start.
SPEC = SPEC.replace("keras_io_inn", "plain, operator: {name: involution, groups: 1}, widths: [4]")
SPEC = SPEC.replace("keras_io_cnn", "plain, widths: [4]")
# Augmentation and the held-out part must be drawn alike, too.
SPEC = SPEC.replace(
    "train_size: 100, validation: test", "train_size: 400, validation: 0.2, augmentation: [crop]"
)


ONE = "".join(line for line in SPEC.splitlines(True) if not line.startswith("  inn:"))
"""Without the involution, where one training will do."""
KILLED = examples(ONE, SPEC)
"""What is killed again and again: the involution takes long to compile at each start."""


def prepared(folder: Path, spec: str = SPEC) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "tiny.yaml"
    path.write_text(spec)
    return path


def of_one(outcomes: dict[str, object]) -> dict[str, object]:
    """What must come of `ONE`, where this comes of `SPEC`."""
    return {run: outcome for run, outcome in outcomes.items() if run.startswith("cnn-")}


def outcome(folder: Path, experiment: str = "tiny") -> dict[str, object]:
    """What must not depend on interruptions, of each run."""
    found = {}
    for run in sorted(folder.glob(f"results/{experiment}/runs/*")):
        record = json.loads((run / "run.json").read_text())
        history = json.loads((run / "history.json").read_text())
        del history["seconds"], record["metrics"]["seconds_per_epoch"]
        record["metrics"].pop("input_wait", None)  # Of this process's part, if it did an epoch.
        with np.load(run / "predictions.npz") as arrays:
            predictions = {name: arrays[name].tobytes() for name in arrays.files}
        found[run.name] = (record["status"], record["metrics"], history, predictions)
        assert not (run / "checkpoint").exists()
    return found
