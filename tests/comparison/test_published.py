"""All published results, compared anew: interval, p and verdict are one statement."""

from pathlib import Path

from involbench.comparison.compare import compare_experiment
from involbench.comparison.differences import Rule
from involbench.results.tree import ResultsTree
from tests.comparison.test_differences import agrees

TREE = ResultsTree(Path(__file__).parents[2] / "results")


def test_no_interval_of_the_published_results_contradicts_its_verdict() -> None:
    differences, decided = 0, 0
    for experiment in TREE.references():
        for paired in (False, True):
            comparison = compare_experiment(TREE, experiment, rule=Rule(paired))
            found = [d for each in comparison.models for d in each.differences.values()]
            found += [each.beyond for claim in comparison.claims for each in claim.numbers]
            tested = [each for each in found if each.p is not None]
            differences += len(tested)
            decided += sum(each.verdict in ("higher", "lower") for each in tested)
            assert [each for each in tested if not agrees(each)] == []
    assert differences > 300
    assert 100 < decided < differences
