"""Which packages are installed, held against what involbench asks for."""

from collections.abc import Iterator
from importlib.metadata import metadata

from packaging.requirements import Requirement

from involbench.execution.extras import fits, install_command, installed, requirements
from involbench.results.finding import Finding
from involbench.results.record import BACKENDS

_MAIN = ("keras", *BACKENDS, "numpy", "numba", "scikit-learn", "matplotlib")
_OF_NO_USER = frozenset({"dev", "cuda"})
"""Extras that are no question of what is installed."""


def examine_packages(backend: str) -> Iterator[Finding]:
    """What is needed, what is too old, and which extras are there.

    Args:
        backend: The one of Keras that is used; the packages of the others are not needed.
    """
    found = {name: installed(name) for name in _MAIN}
    shown = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Finding(topic="software", name="versions", status="ok", found=shown)
    asked = requirements()
    if not asked:
        yield Finding(
            topic="software",
            name="packages",
            status="warning",
            found="involbench itself is not installed, so nothing tells which versions it needs",
            remedy="pip install . where its pyproject.toml is",
        )
        return
    others = set(BACKENDS) - {backend}
    yield _needed([r for r in asked if r.name not in others])
    yield _extras()


def _needed(requirements: list[Requirement]) -> Finding:
    wrong = [requirement for requirement in requirements if not fits(requirement)]
    if not wrong:
        text = f"all {len(requirements)} are there, in versions that fit"
        return Finding(topic="software", name="packages", status="ok", found=text)
    said = [f"{r.name} {installed(r.name) or 'is missing'}" for r in wrong]
    # Without numba the operator is slower, and gives the same.
    only_slower = {requirement.name for requirement in wrong} == {"numba"}
    return Finding(
        topic="software",
        name="packages",
        status="warning" if only_slower else "problem",
        found=f"too old or missing: {', '.join(said)}",
        remedy=install_command(wrong),
    )


def _extras() -> Finding:
    known = sorted(set(metadata("involbench").get_all("Provides-Extra") or []) - _OF_NO_USER)
    wrong = {extra: [r for r in requirements(extra) if not fits(r)] for extra in known}
    have, missing = ([e for e in known if bool(wrong[e]) == lacks] for lacks in (False, True))
    said = [", ".join(have)] if have else []
    said += [f"not installed: {', '.join(missing)}"] if missing else []
    unmet = [requirement for extra in missing for requirement in wrong[extra]]
    return Finding(
        topic="software",
        name="extras",
        status="ok",
        found="; ".join(said),
        remedy=install_command(unmet) if unmet else None,
    )
