"""Which packages are installed, held against what involbench asks for."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

from involbench.results.finding import Finding
from involbench.results.record import BACKENDS

_MAIN = ("keras", *BACKENDS, "numpy", "numba", "scikit-learn", "matplotlib")
_OF_NO_USER = frozenset({"dev", "cuda"})
"""Extras that are no question of what is installed."""


def installed(package: str) -> str | None:
    """Its version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def examine_packages(backend: str) -> Iterator[Finding]:
    """What is needed, what is too old, and which extras are there.

    Args:
        backend: The one of Keras that is used; the packages of the others are not needed.
    """
    found = {name: installed(name) for name in _MAIN}
    shown = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Finding(topic="software", name="versions", status="ok", found=shown)
    asked = [Requirement(text) for text in _requirements()]
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
    yield _needed([r for r in asked if _is_wanted(r, "") and r.name not in others])
    yield _extras(asked)


def _requirements() -> list[str]:
    try:
        return requires("involbench") or []
    except PackageNotFoundError:
        return []


def _is_wanted(requirement: Requirement, extra: str) -> bool:
    """Whether it is needed here; by an extra, or by involbench itself where that is empty."""
    marker = requirement.marker
    if marker is None:
        return not extra
    of_an_extra = "extra" in str(marker)
    return of_an_extra == bool(extra) and marker.evaluate({"extra": extra})


def _fits(requirement: Requirement) -> bool:
    number = installed(requirement.name)
    return number is not None and requirement.specifier.contains(number, prereleases=True)


def _needed(requirements: list[Requirement]) -> Finding:
    wrong = [requirement for requirement in requirements if not _fits(requirement)]
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
        remedy="pip install " + " ".join(f"'{r.name}{r.specifier}'" for r in wrong),
    )


def _extras(requirements: list[Requirement]) -> Finding:
    known = set(metadata("involbench").get_all("Provides-Extra") or []) - _OF_NO_USER
    have = {
        extra
        for extra in known
        if all(_fits(requirement) for requirement in requirements if _is_wanted(requirement, extra))
    }
    missing = sorted(known - have)
    said = [", ".join(sorted(have))] if have else []
    said += [f"not installed: {', '.join(missing)}"] if missing else []
    return Finding(
        topic="software",
        name="extras",
        status="ok",
        found="; ".join(said),
        remedy=f"pip install 'involbench[{','.join(missing)}]'" if missing else None,
    )
