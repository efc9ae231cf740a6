"""Which backend Keras will use, told without importing Keras."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from involbench.execution.extras import installed
from involbench.results.finding import Finding
from involbench.results.record import BACKENDS
from involbench.spec.wording import nearest

_LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")


@dataclass(frozen=True)
class Choice:
    """The name of a backend, and who chose it."""

    name: str
    by: str


def chosen_backend() -> Choice:
    """By Keras' own rules: KERAS_BACKEND, its keras.json, or TensorFlow."""
    if name := os.environ.get("KERAS_BACKEND"):
        return Choice(name, "chosen by KERAS_BACKEND")
    file = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError):
        config = None
    name = config.get("backend") if isinstance(config, dict) else None
    if isinstance(name, str) and name != "tensorflow":
        return Choice(name, f"chosen by {file}")
    return Choice("tensorflow", "the default")


def unusable(choice: Choice) -> Finding | None:
    """The problem with a backend that there is no use in starting."""
    if choice.name not in BACKENDS:
        near = nearest(choice.name, BACKENDS)
        known = f"it is none of {', '.join(BACKENDS)}"
        remedy = f"set KERAS_BACKEND={near or 'tensorflow'}"
        return _problem(f"{choice.name!r}, {choice.by}: {known}", remedy)
    if find_spec(choice.name) is None:
        there = [name for name in BACKENDS if find_spec(name)]
        others = f", or set KERAS_BACKEND={there[0]}" if there else ""
        return _problem(
            f"{choice.name}, {choice.by}: not installed", f"pip install {choice.name}{others}"
        )
    return None


def cannot_be_imported(choice: Choice, why: str) -> Finding:
    """The problem with a backend that is installed and fails."""
    return _problem(
        f"{choice.name}, {choice.by}: it cannot be started: {why}",
        f"KERAS_BACKEND={choice.name} python -c 'import keras' says more; install it anew",
    )


def examine_choice(choice: Choice) -> Iterator[Finding]:
    """The backend that works, and what else there is to be said of it."""
    number = installed(choice.name) or ""
    yield Finding(
        topic="backend",
        name="backend",
        status="ok",
        found=f"{choice.name} {number}, {choice.by}{_others(choice)}",
    )
    for name in _LIMITS:
        if os.environ.get(name):
            yield Finding(
                topic="backend",
                name="limits",
                status="warning",
                found=f"{name}={os.environ[name]} cuts every training short, whatever a spec says",
                remedy=f"unset {name}",
            )


def _others(choice: Choice) -> str:
    others = [f"{n} {installed(n)}" for n in BACKENDS if n != choice.name and installed(n)]
    return f"; there too: {', '.join(others)}" if others else ""


def _problem(found: str, remedy: str) -> Finding:
    return Finding(topic="backend", name="backend", status="problem", found=found, remedy=remedy)
