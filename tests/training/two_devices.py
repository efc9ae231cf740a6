"""Trains one small network in several ways on two virtual CPUs, in a process of its own.

With two devices they get their batches late.

Run: python -m tests.training.two_devices FOLDER
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "")
os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"  # For JAX.

import keras
import numpy as np

from involbench.data import make_dataset
from involbench.results.paths import ResultsPath
from involbench.spec.trial import Trial
from involbench.training.callbacks import Stopped
from involbench.training.checkpoint import Checkpoints
from involbench.training.trial import run_trial
from tests.effort import THOROUGH
from tests.training.slow_batches import starving

# Batches of 8, 8 and 1 image to train on, fewer than devices, and of 8 and 3 to validate on.
TRAINED, TESTED, BATCH = 17, 11, 8
# Batch normalization inside an involution and outside.
NETWORK = {"architecture": "residual_involution", "num_layers": 1, "width": 16}
HALF = {"distribution": "data_parallel", "precision": "mixed_float16"}
STOPS_AFTER = 4  # One step into the second epoch.


def main(folder: Path) -> None:
    """A run folder for one device and one for two; for thorough tests two of `HALF` more, one of
    them cut off.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
    _run(folder / "one", {})
    with starving():
        _run(folder / "two", {"distribution": "data_parallel"})
    if THOROUGH:
        _run(folder / "two_float16", HALF)
        try:
            _run(folder / "stopped", HALF, STOPS_AFTER)
        except Stopped:
            _run(folder / "stopped", HALF)


def _run(run_dir: Path, training: dict, steps: int | None = None) -> None:
    run_dir.mkdir(exist_ok=True)
    trial = Trial.model_validate(
        {
            "experiment": "shared",
            "model": "red",
            "architecture": NETWORK,
            "data": {"dataset": "digits", "augmentation": ["crop"], "validation": "test"},
            "training": {"epochs": 2, "batch_size": BATCH, **_RECIPE, **training},
            "seed": 0,
        }
    )
    left = iter(range(steps)) if steps is not None else None
    run_trial(
        trial,
        _images(),
        ResultsPath(run_dir),
        argv=(),
        on_epoch=lambda report: None,
        stop=lambda: left is not None and next(left, None) is None,
    )
    model = keras.saving.load_model(run_dir / "model.keras")
    np.savez(run_dir / "weights.npz", *model.get_weights())
    (run_dir / "model.json").write_text(model.to_json())


_RECIPE = {
    "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    "learning_rate_schedule": {"name": "cosine"},
    "label_smoothing": 0.1,
}


def _images():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (TRAINED + TESTED, 8, 8, 3), np.uint8)
    labels = np.arange(len(images)) % 3
    first, rest = slice(0, TRAINED), slice(TRAINED, None)
    names = ("a", "b", "c")
    return make_dataset("made", images[first], labels[first], images[rest], labels[rest], names)


def _keep_last_state() -> None:
    """Have each checkpoint's variables kept where the run's end does not delete them."""
    save = Checkpoints.save

    def save_and_keep(self: Checkpoints, checkpoint) -> None:
        save(self, checkpoint)
        np.savez(self.folder.parent.path / "state.npz", *checkpoint.variables)

    Checkpoints.save = save_and_keep


if __name__ == "__main__":
    _keep_last_state()
    main(Path(sys.argv[1]))
