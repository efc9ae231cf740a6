"""Exported networks side by side, each in its own runtime: how long one image takes."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from involbench.bench.machine import this_machine
from involbench.bench.warm_up import warm_up
from involbench.export.formats import EXPORTERS, Images, Runtime
from involbench.results.exports import Exported, ExportTimes


def time_exports(
    exports: Sequence[Exported],
    threads: int,
    repeats: int,
    progress: Callable[[int, int], None],
) -> ExportTimes:
    """Time one image in each, in alternation, every timed call after one that is not.

    Args:
        exports: What is timed.
        threads: How many each runtime has; TensorFlow's was told when this process started.
        repeats: How often each is timed.
        progress: Called with the repeats that are done, and with all.
    """
    loaded = [EXPORTERS[each.record.format].load(each.path, threads) for each in exports]
    images = [_image(each) for each in exports]
    calls = list(zip(loaded, images, strict=True))
    for runtime, image in calls:
        warm_up(partial(_seconds, runtime, image))
    taken: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats):
        progress(repeat, repeats)
        order = range(len(calls)) if repeat % 2 else reversed(range(len(calls)))
        for index in order:
            _seconds(*calls[index])
            taken[index].append(_seconds(*calls[index]))
    return ExportTimes(threads=threads, seconds=tuple(map(tuple, taken)), machine=this_machine())


def _image(export: Exported) -> Images:
    shape = (1, *(size or 1 for size in export.record.input_shape[1:]))
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def _seconds(runtime: Runtime, image: Images) -> float:
    """Of one call, its result copied to where Python has it."""
    start = time.perf_counter()
    runtime(image)
    return time.perf_counter() - start
