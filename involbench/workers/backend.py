"""Which backend Keras will use, told without importing Keras."""

import os
from dataclasses import dataclass
from importlib.util import find_spec

from involbench.optional_dependencies import installed
from involbench.results.checks import Check
from involbench.results.record import BACKENDS
from involbench.text import nearest
from involbench.workers.environment import keras_json


@dataclass(frozen=True)
class Choice:
    """The name of a backend, and who chose it."""

    name: str
    by: str


def chosen_backend() -> Choice:
    """By Keras' own rules: KERAS_BACKEND, its keras.json, or TensorFlow."""
    if name := os.environ.get("KERAS_BACKEND"):
        return Choice(name, "chosen by KERAS_BACKEND")
    file, config = keras_json()
    name = config.get("backend")
    if isinstance(name, str) and name != "tensorflow":
        return Choice(name, f"chosen by {file}")
    return Choice("tensorflow", "the default")


def unusable(choice: Choice) -> Check | None:
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


def cannot_be_imported(choice: Choice, why: str) -> Check:
    """The problem with a backend that is installed and fails."""
    return _problem(
        f"{choice.name}, {choice.by}: it cannot be started: {why}",
        f"KERAS_BACKEND={choice.name} python -c 'import keras' says more; install it anew",
    )


def examine_choice(choice: Choice) -> Check:
    """The backend that works."""
    number = installed(choice.name) or ""
    return Check(
        topic="backend",
        name="backend",
        status="ok",
        found=f"{choice.name} {number}, {choice.by}{_others(choice)}",
    )


def _others(choice: Choice) -> str:
    others = [f"{n} {installed(n)}" for n in BACKENDS if n != choice.name and installed(n)]
    return f"; there too: {', '.join(others)}" if others else ""


def _problem(found: str, remedy: str) -> Check:
    return Check(topic="backend", name="backend", status="problem", found=found, remedy=remedy)
