"""On a command's PYTHONPATH, this makes its trials go wrong as INVOLBENCH_FAULTS says.

The variable is JSON: `trials` names what happens to a trial such as "inn-seed1" when it begins
(segfault, memory, raise), and `log` a file that gets a line for each trial that begins.
"""

import ctypes
import importlib.abc
import importlib.util
import json
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

FAULTS = json.loads(os.environ.get("INVOLBENCH_FAULTS", "{}"))


def exhaust_memory():
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, before[1]))
    try:
        bytearray(2**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def go_wrong(kind):
    match kind:
        case "segfault":
            ctypes.string_at(0)
        case "memory":
            exhaust_memory()
        case "raise":
            raise RuntimeError("this trial was told to fail")


def wrapped(run_trial):
    def run(trial, *arguments, **keywords):
        name = f"{trial.model}-seed{trial.seed}"
        if "log" in FAULTS:
            with Path(FAULTS["log"]).open("a") as log:
                log.write(f"{name}\n")
        go_wrong(FAULTS.get("trials", {}).get(name))
        return run_trial(trial, *arguments, **keywords)

    return run


class Finder(importlib.abc.MetaPathFinder):
    """Finds the module of `run_trial`, and replaces that function in it."""

    def find_spec(self, name, path, target=None):
        if name != "involbench.training.trial":
            return None
        spec = PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.run_trial = wrapped(module.run_trial)

        spec.loader.exec_module = exec_module
        return spec


if FAULTS:
    sys.meta_path.insert(0, Finder())
