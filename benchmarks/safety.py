"""The cost of safety: of a checkpoint, as a share of a one-minute epoch, and of determinism.

Writes checkpoints to the disk of the temporary folder. Trains with and without determinism in turn,
each in a new process. Run: python -m benchmarks.safety [N]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARCHITECTURES = ("keras_io_cnn", "keras_io_inn")
SPEC = """\
name: safety
data: {dataset: digits}
models:
  model: {architecture: ARCHITECTURE}
training: {epochs: 6, batch_size: 64, deterministic: DETERMINISTIC}
seeds: 1
baseline: model
"""


def main() -> None:
    """Print both, with a line for each architecture."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for architecture in ARCHITECTURES:
        seconds = _checkpoint_seconds(architecture, 10 * turns)
        quarters = statistics.quantiles(seconds, n=4)
        print(
            f"{architecture}: a checkpoint takes median {1000 * quarters[1]:.0f} ms (quartiles "
            f"{1000 * quarters[0]:.0f}, {1000 * quarters[2]:.0f}; {10 * turns} of them), "
            f"{quarters[1] / 60:.2%} of a one-minute epoch"
        )
    for architecture in ARCHITECTURES:
        rows = [[_epoch_seconds(architecture, on) for on in (True, False)] for _ in range(turns)]
        ratios = statistics.quantiles([on / off for on, off in rows], n=4)
        print(
            f"{architecture}: an epoch with determinism over one without: median {ratios[1]:.3f} "
            f"(quartiles {ratios[0]:.3f}, {ratios[2]:.3f}; {turns} turns, 23 steps of batch 64)"
        )


def _checkpoint_seconds(architecture: str, count: int) -> list[float]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from involbench.models import build_model
    from involbench.results.paths import ResultsPath
    from involbench.training.checkpoint import Checkpoint, Checkpoints, state_of

    model = build_model(architecture, (32, 32, 3), 10)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(ResultsPath(Path(folder)), print)
        for epoch in range(count):
            began = time.perf_counter()
            state = state_of(model)
            checkpoints.save(Checkpoint(epoch, 0, 0.0, 0.0, {}, {}, state, ()))
            found.append(time.perf_counter() - began)
    return found


def _epoch_seconds(architecture: str, deterministic: bool) -> float:
    """Median over the epochs of one training."""
    text = SPEC.replace("ARCHITECTURE", architecture)
    text = text.replace("DETERMINISTIC", str(deterministic).lower())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "safety.yaml").write_text(text)
        command = [sys.executable, "-m", "involbench", "run", "safety.yaml", "-q"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        from involbench.results.tree import ResultsTree

        (run,), _ = ResultsTree(Path(folder, "results")).runs("safety")
        return float(run.record.metrics["seconds_per_epoch"] or 0)


if __name__ == "__main__":
    main()
