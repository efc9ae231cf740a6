"""What involbench needs of other packages, by its own metadata, and how to install it.

involbench itself is on no package index, so that hints name the packages, never an extra of it.
"""

import shlex
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from involbench.errors import UsageError


def installed(package: str) -> str | None:
    """Its version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def requirements(extra: str = "") -> list[Requirement]:
    """What one extra needs here, or involbench itself; nothing if it is not installed."""
    try:
        texts = requires("involbench") or []
    except PackageNotFoundError:
        return []
    return [each for each in map(Requirement, texts) if _is_wanted(each, extra)]


def fits(requirement: Requirement) -> bool:
    """Whether the package is installed in a version that fits."""
    number = installed(requirement.name)
    if number is None:
        # Another build of it, such as onnxruntime-gpu, has the same module.
        return find_spec(requirement.name.replace("-", "_")) is not None
    return requirement.specifier.contains(number, prereleases=True)


def install_command(unmet: Iterable[Requirement]) -> str:
    """`pip install ...`, with a version only where an older one is installed."""
    return shlex.join(["pip", "install", *map(_requirement_text, unmet)])


def missing(extra: str, *packages: str) -> str | None:
    """The message about what is not installed; None if all is.

    Args:
        extra: An extra of involbench; empty for none.
        packages: Those of involbench's own requirements that are needed too.
    """
    needed = [each for each in requirements() if each.name in packages]
    needed += requirements(extra) if extra else []
    unmet = [each for each in needed if not fits(each)]
    if not unmet:
        return None
    states = (f"{each.name} ({installed(each.name) or 'not installed'})" for each in unmet)
    return f"needs {' and '.join(states)}; {install_command(unmet)}"


def require(option: str, extra: str, *packages: str) -> None:
    """Check that what an option needs is installed; see `missing`.

    Raises:
        UsageError: It is not.
    """
    what = missing(extra, *packages)
    if what is not None:
        raise UsageError(f"{option} {what}")


def _is_wanted(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    if marker is None:
        return not extra
    return ("extra" in str(marker)) == bool(extra) and marker.evaluate({"extra": extra})


def _requirement_text(requirement: Requirement) -> str:
    parts = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    older = requirement.specifier if installed(requirement.name) else ""
    return f"{requirement.name}{parts}{older}"
