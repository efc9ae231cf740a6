"""How long training steps wait for their batches: the share of their time, and what it costs.

Trains the CNN of the tutorial and its control, whose steps take a few milliseconds, on made-up
images, with and without augmentation in turn. Prints the share of the time that steps wait, and the
time of a step relative to that without augmentation. Run: python -m benchmarks.input_wait [N]
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, BATCH, EPOCHS = 6400, 64, 3
ARCHITECTURES = ("keras_io_cnn", "keras_io_control")
AUGMENTATIONS = ((), ("flip", "crop"))


def main() -> None:
    """Print a line for each network and augmentation."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from involbench.data import make_dataset

    images = np.random.default_rng(0).integers(0, 256, (IMAGES + 100, 32, 32, 3), np.uint8)
    labels, names = np.arange(len(images)) % 10, [str(label) for label in range(10)]
    data = make_dataset(
        "made", images[100:], labels[100:], images[:100], labels[:100], names, where="made"
    )
    print(f"images 32x32x3, batch {BATCH}, {IMAGES // BATCH} steps an epoch, {turns} turns each")
    for architecture in ARCHITECTURES:
        rows = [
            [_train(architecture, kinds, data) for kinds in AUGMENTATIONS] for _ in range(turns)
        ]
        for kinds, runs in zip(AUGMENTATIONS, zip(*rows, strict=True), strict=True):
            shares = statistics.quantiles([share for share, _ in runs], n=4)
            ratios = [run[1] / row[0][1] for run, row in zip(runs, rows, strict=True)]
            step = statistics.median(seconds for _, seconds in runs) / (IMAGES // BATCH)
            print(
                f"{architecture}, augmentation {'+'.join(kinds) or 'off'}: waits {shares[1]:.2%} "
                f"of the time (quartiles {shares[0]:.2%}, {shares[2]:.2%}); step {1000 * step:.1f} "
                f"ms, {statistics.median(ratios):.3f} of that without augmentation"
            )


def _train(architecture: str, augmentation: tuple[str, ...], data: Any) -> tuple[float, float]:
    """The share of the time that steps wait, and the seconds of an epoch: medians over epochs."""
    from involbench.results.paths import ResultsPath
    from involbench.spec.schema import DataSpec, TrainingSpec
    from involbench.spec.trial import Trial
    from involbench.training.trial import run_trial

    trial = Trial.model_validate(
        {
            "experiment": "input",
            "model": "model",
            "architecture": {"architecture": architecture},
            "data": DataSpec(dataset="digits", augmentation=augmentation),
            "training": TrainingSpec(epochs=EPOCHS, batch_size=BATCH),
            "seed": 0,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        record = run_trial(
            trial, data, ResultsPath(Path(folder)), (), lambda report: None, lambda: False
        )
    return float(record.metrics["input_wait"] or 0), float(record.metrics["seconds_per_epoch"] or 0)


if __name__ == "__main__":
    main()
