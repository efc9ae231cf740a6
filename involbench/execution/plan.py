"""What an experiment consists of, and what of it is left to do."""

from collections.abc import Callable
from dataclasses import dataclass

from involbench.execution.crew import Crew, Works
from involbench.execution.messages import Notice, Report
from involbench.execution.requests import CheckTrials, LoadData, Loaded
from involbench.execution.shards import Shard, estimated_costs
from involbench.results.store import Store, ended
from involbench.spec.data import DataSpec
from involbench.spec.trial import Trial, one_seed_each


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with its name on disk."""

    trial: Trial
    run_id: str
    finished: bool


def plan(
    trials: list[Trial],
    worker: Works,
    store: Store,
    show: Callable[[Report], None],
    shard: Shard | None = None,
) -> list[PlannedTrial]:
    """Load each dataset for its fingerprint, name the trials, and see which are finished.

    Args:
        trials: All of the experiment.
        worker: Loads the datasets.
        store: The experiment's folder.
        show: Takes what is reported.
        shard: The part of the trials to plan; None for all.

    Raises:
        DataError: A dataset is missing or damaged.
    """
    loaded: dict[DataSpec, Loaded] = {}
    for trial in trials:
        if trial.data not in loaded:
            loaded[trial.data] = worker.ask(LoadData(trial.data), show)
    # Several sizes or subsets of one dataset have the same to say.
    for remark in dict.fromkeys(said for each in loaded.values() for said in each.remarks):
        show(Notice.of(remark.message, warning=remark.warning))
    if shard is not None:
        costs = estimated_costs(trials, loaded, worker, show)
        total, trials = len(trials), [trials[place] for place in shard.of(costs)]
        show(Notice(f"part {shard.number} of {shard.count}: {len(trials)} of {total} trials"))

    def planned(trial: Trial) -> PlannedTrial:
        run_id = trial.run_id(loaded[trial.data].fingerprint)
        record = ended(store.run_dir(run_id), trial, lambda text: show(Notice(text)))
        return PlannedTrial(trial, run_id, record is not None)

    return [planned(trial) for trial in trials]


def check(
    planned: list[PlannedTrial], crew: Crew, device: str, show: Callable[[Report], None]
) -> None:
    """Find what would fail for every seed, before anything is written; have all workers ready.

    Raises:
        UsageError: A model, an optimizer, a subset or the device cannot be had.
    """
    show(Notice("starting Keras and building each model once"))
    trials = one_seed_each([item.trial for item in planned])
    crew.ask(CheckTrials(trials, device), CheckTrials((), device), show)
