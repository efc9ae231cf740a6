"""`--fail-if`: a comparison as a gate of a CI job."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from involbench.analysis.comparison import Comparison
from involbench.cli.page import echo

if TYPE_CHECKING:
    from involbench.analysis.gate_grammar import Gate
    from involbench.cli.comparing import Asked

_FAILED = 3


def gates_of(texts: Sequence[str], strict: bool) -> "list[Gate]":
    """The gates, read before anything is printed.

    Raises:
        UsageError: One of them does not parse, or there is none to be strict about.
    """
    from involbench.analysis.gate_grammar import parse_gate
    from involbench.errors import UsageError

    if strict and not texts:
        raise UsageError("--strict is for gates: give --fail-if too")
    return [parse_gate(text) for text in texts]


def end_on_failed_gate(
    gates: "Sequence[Gate]", comparisons: Sequence[Comparison], asked: "Asked", strict: bool
) -> None:
    """Say what came of each gate on stderr, and exit with 3 where one failed.

    Raises:
        UsageError: Of one of them nothing can be said.
    """
    from involbench.analysis.compare import compare_experiment
    from involbench.analysis.gates import Outcome, check_gate
    from involbench.cli.experiments import find_experiments
    from involbench.errors import UsageError
    from involbench.reporting.labels import label

    def lookup(name: str) -> Comparison:
        ((tree, found),) = find_experiments(asked.results, [name])
        return compare_experiment(tree, found, None, asked.wanted)

    outcomes, refused = list[Outcome](), list[UsageError]()
    for gate in gates:  # What is wrong with one is no reason to keep silent of the others.
        try:
            outcomes += check_gate(gate, comparisons, lookup, strict)
        except UsageError as error:
            refused.append(error)
    for outcome in outcomes:
        state = "failed" if outcome.failed else "passed"
        where = label(outcome.experiment, outcome.point)
        echo(f"gate {state}: {outcome.gate.text}: {where}: {outcome.reason}", err=True)
    if refused:
        raise UsageError("\n".join(map(str, refused)))
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(_FAILED)
