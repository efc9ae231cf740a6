"""The finished runs of an experiment, seed by seed: what is measured side by side."""

from involbench.analysis.chosen_settings import stated_group
from involbench.analysis.selection import Arm, left_out, select_groups
from involbench.errors import UsageError
from involbench.results.outline import read_outline
from involbench.results.reading import ResultsTree, StoredRun

Block = list[tuple[Arm, StoredRun]]


def seed_blocks(tree: ResultsTree, experiment: str) -> tuple[list[Block], list[str]]:
    """The runs of each seed that every model has finished, the baseline's first, and warnings.

    Raises:
        UsageError: There is no such seed.
        ResultsError: The experiment cannot be read.
    """
    runs, warnings = tree.runs(experiment)
    outline = read_outline(tree.folder(experiment))
    groups = select_groups(runs, outline.models)
    arms, others = [], list[str]()
    if groups:
        chosen, _ = stated_group(groups, outline.values)
        arms = sorted(chosen.arms, key=lambda arm: arm.model != outline.baseline)
        others = left_out(groups, chosen)
    found = [{run.record.trial.seed: run for run in arm.finished} for arm in arms]
    seeds = [sorted(each) for each in found]
    common = sorted(set.intersection(*map(set, seeds))) if seeds else []
    if not common:
        raise UsageError(f"{experiment}: there is no seed that all its models have finished")
    if lacking := sorted({seed for each in seeds for seed in each} - set(common)):
        some = ", ".join(map(str, lacking))
        warnings.append(f"{experiment}: left out, since not every model has finished: seed {some}")
    blocks = [[(arm, each[seed]) for arm, each in zip(arms, found, strict=True)] for seed in common]
    return blocks, [*warnings, *others]
