"""Run folders that look like those of `involbench run`, made without training anything."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from involbench.results.record import DataFacts, Hardware, RunRecord
from involbench.spec.trial import Trial

FINGERPRINT = "ab12" * 16
SPEC = """\
spec_version: 1
name: {name}
data: {{dataset: digits}}
models:
  cnn: {{architecture: keras_io_cnn}}
  inn: {{architecture: keras_io_inn}}
  control: {{architecture: keras_io_control}}
seeds: 3
"""
VERSIONS = {"involbench": "0.1.0", "keras": "3.12.0", "tensorflow": "2.20.0", "numpy": "2.3.0"}
ROLES = {
    "cnn": {"operator": 28320, "normalization": 0, "head": 290858, "other": 0},
    "inn": {"operator": 66, "normalization": 6, "head": 13002, "other": 0},
    "control": {"operator": 0, "normalization": 0, "head": 13002, "other": 0},
}
FINAL = {"cnn": 0.73, "inn": 0.47, "control": 0.42}


def make_trial(model: str, seed: int, **changes: Any) -> Trial:
    """A trial of the digits experiment; `changes` are further keys of `Trial`."""
    content = {
        "experiment": "digits",
        "model": model,
        "architecture": {"architecture": f"keras_io_{model}"},
        "data": {"dataset": "digits"},
        "training": {"epochs": 20},
        "seed": seed,
        **changes,
    }
    content["data"] = {"validation": "test", **content["data"]}
    return Trial.model_validate_json(json.dumps(content))


def make_history(final: float, epochs: int, seed: int) -> dict[str, list[float | None]]:
    """Curves that rise to about `final`; at 0.1 they stay at chance."""
    noise = random.Random(seed)
    shape = [1 - math.exp(-4 * (epoch + 1) / epochs) for epoch in range(epochs)]
    validation = [0.1 + (final - 0.1) * s + noise.gauss(0, 0.008) for s in shape]
    train = [0.1 + (final * 1.1 - 0.1) * s + noise.gauss(0, 0.003) for s in shape]
    return {
        "loss": [2.31 * (1.05 - value) for value in train],
        "accuracy": [*train],
        "val_loss": [2.31 * (1.08 - value) for value in validation],
        "val_accuracy": [*validation],
        "seconds": [9.0 + noise.random() for _ in range(epochs)],
    }


def make_run(
    results: Path,
    model: str,
    seed: int,
    *,
    experiment: str = "digits",
    accuracy: float | None = None,
    collapsed: bool = False,
    error: str | None = None,
    ended: str = "2026-01-02T03:04:05+00:00",
    fingerprint: str | None = FINGERPRINT,
    versions: dict[str, str] | None = None,
    device: str = "CPU",
    measured: dict[str, float] | None = None,
    environment: dict[str, str] | None = None,
    **changes: Any,
) -> Path:
    """Write one run folder and give its path; `error` makes it a failed one.

    `measured` are metrics besides those that every run has.
    """
    trial = make_trial(model, seed, experiment=experiment.split("/")[-1], **changes)
    value = accuracy if accuracy is not None else FINAL[model] + 0.002 * seed
    value = 0.1 if collapsed else value
    record = RunRecord(
        run_id=trial.run_id(fingerprint or ""),
        status="failed" if error else "finished",
        error=error,
        trial=trial,
        argv=("involbench", "run"),
        versions=versions or VERSIONS,
        hardware=Hardware(cpu="Test CPU", cores=2, memory_gib=8.0, gpus=(), device=device),
        git=None,
        data=_facts(fingerprint),
        started="2026-01-02T03:00:00+00:00",
        ended=ended,
        seconds=245.0,
        metrics={} if error else _metrics(value, model) | (measured or {}),
        collapsed=collapsed,
        environment=environment,
    )
    folder = results / experiment / "runs" / record.run_id
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(record.model_dump_json(indent=2))
    if not error:
        history = make_history(value, trial.training.epochs, seed)
        (folder / "history.json").write_text(json.dumps(history))
        (folder / "parameters.json").write_text(json.dumps(_parameters(model)))
    return folder


def make_experiment(results: Path, name: str = "digits", seeds: int = 3) -> Path:
    """The spec and the finished runs of three models, all seeds."""
    for seed in range(seeds):
        for model in ROLES:
            make_run(results, model, seed, experiment=name)
    (results / name / "spec.yaml").write_text(SPEC.format(name=name.split("/")[-1]))
    return results / name


def predict(run: Path, **arrays: NDArray[Any]) -> None:
    """Write a run's predictions, and into its record of how many images and classes they are."""
    np.savez(run / "predictions.npz", **arrays)
    record = json.loads((run / "run.json").read_text())
    images, classes = arrays["probabilities"].shape
    record["data"] |= {"test_size": images, "class_names": [str(n) for n in range(classes)]}
    (run / "run.json").write_text(json.dumps(record))


def _metrics(accuracy: float, model: str) -> dict[str, float | None]:
    return {
        "test_accuracy": accuracy,
        "best_val_accuracy": accuracy + 0.01,
        "test_loss": 2.31 * (1.08 - accuracy),
        "best_epoch": 18.0,
        "seconds_per_epoch": 15.5 if model == "cnn" else 8.25,
    }


def _facts(fingerprint: str | None) -> DataFacts | None:
    if fingerprint is None:
        return None
    return DataFacts(
        fingerprint=fingerprint,
        class_names=tuple("0123456789"),
        input_shape=(32, 32, 3),
        train_size=1437,
        validation_size=360,
        test_size=360,
        chance=0.1,
        mean=(0.0,),
        std=(1.0,),
    )


def _parameters(model: str) -> dict[str, Any]:
    trainable = sum(ROLES[model].values())
    frozen = 6 if model == "inn" else 0
    return {
        "total": trainable + frozen,
        "trainable": trainable,
        "non_trainable": frozen,
        "by_role": ROLES[model],
        "layers": [],
    }
