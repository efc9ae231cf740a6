"""The part of an experiment's trials that one job of an array does."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from involbench.execution.crew import Works
from involbench.execution.messages import Notice, Report
from involbench.execution.requests import CountParameters, Loaded
from involbench.execution.sources import source_of
from involbench.spec.data import DataSpec
from involbench.spec.trial import Trial

# What a trial costs besides its multiply-accumulates, as so many of them: on two CPU cores, which
# do about 1e10 in a second, five seconds to build and compile a network, and 0.1 ms an image.
_A_TRIAL = 5 * 10**10
_AN_IMAGE = 10**6
_FORWARD_AND_BACKWARD = 3


@dataclass(frozen=True)
class Shard:
    """Part `number`, counted from 1, of `count`."""

    number: int
    count: int

    def of(self, costs: Sequence[int]) -> list[int]:
        """The places of what belongs to this part, in order.

        The dearest first, each goes to the part that has the least so far, so that the parts
        differ by less than what the dearest costs. It depends on the costs alone.
        """
        loads = [(0, part) for part in range(1, self.count + 1)]
        mine = []
        for place in sorted(range(len(costs)), key=lambda place: (-costs[place], place)):
            load, part = loads[0]
            heapq.heapreplace(loads, (load + costs[place], part))
            if part == self.number:
                mine.append(place)
        return sorted(mine)


def estimated_costs(
    trials: Sequence[Trial],
    loaded: Mapping[DataSpec, Loaded],
    worker: Works,
    show: Callable[[Report], None],
) -> list[int]:
    """What each trial costs, in multiply-accumulates: the same on every machine.

    Args:
        trials: Of one experiment.
        loaded: What is known of each trial's data.
        worker: Builds one network of each kind, without weights.
        show: Is told of it.
    """
    show(Notice("starting Keras and counting what each model computes"))
    kinds: dict[str, Trial] = {}
    for trial in trials:
        kinds.setdefault(_network(trial), trial)
    counted = worker.ask(CountParameters(tuple(kinds.values())), show)
    macs = dict(zip(kinds, (parameters.macs for parameters in counted), strict=True))
    return [_cost(trial, macs[_network(trial)], loaded[trial.data]) for trial in trials]


def _cost(trial: Trial, macs: int, loaded: Loaded) -> int:
    images = trial.training.epochs * (trial.data.train_size or loaded.train_size)
    return _A_TRIAL + images * (_FORWARD_AND_BACKWARD * macs + _AN_IMAGE)


def _network(trial: Trial) -> str:
    """What decides the trial's network."""
    return trial.architecture.model_dump_json() + source_of(trial.data).model_dump_json()
