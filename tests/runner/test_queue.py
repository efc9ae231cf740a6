"""In which order workers take the trials that are left."""

import threading
import time

from involbench.results.store import Store
from involbench.runner.plan import PlannedTrial
from involbench.runner.runner import Runner, TrialQueue, _entries
from involbench.workers.local import WorkerPool
from tests.results.factory import make_trial


def test_the_least_comes_first_and_of_equals_the_one_that_was_there_first():
    order = {"a": 1, "b": 0, "c": 1, "d": 0}
    agenda = TrialQueue(order, order.__getitem__)
    assert agenda.take() == "b"
    order["c"] = -1  # It is asked anew each time.
    assert [agenda.take() for _ in range(4)] == ["c", "d", "a", None]


def test_what_is_put_off_comes_again_after_a_while_and_nothing_is_left_until_then():
    agenda = TrialQueue(["held", "free"], lambda item: item == "free")
    began = time.monotonic()
    agenda.requeue(agenda.take())
    assert agenda.take() == "free"
    assert agenda.take() == "held"
    assert time.monotonic() - began >= 1
    assert agenda.take() is None


def test_closing_it_ends_a_wait():
    agenda = TrialQueue(["held"], lambda item: 0)
    agenda.requeue(agenda.take())
    threading.Timer(0.1, agenda.close).start()
    assert agenda.take() is None


def test_of_a_seed_several_workers_begin_with_what_took_longest_at_the_last_one(tmp_path):
    trials = [make_trial(model, seed) for seed in (7, 3) for model in ("cnn", "inn", "control")]
    runner = Runner(WorkerPool([]), Store(tmp_path, "x"), (), lambda event: None, 0.0)
    agenda = TrialQueue(
        _entries([PlannedTrial(t, str(t.seed), False) for t in trials]), runner._turn
    )
    for model, seconds in (("cnn", 2.0), ("inn", 5.0), ("control", 1.0)):
        taken = agenda.take()
        assert (taken.item.trial.model, taken.item.trial.seed) == (model, 7)
        runner._took[taken.item.trial.kind] = seconds
    assert [agenda.take().item.trial.model for _ in range(3)] == ["inn", "cnn", "control"]
