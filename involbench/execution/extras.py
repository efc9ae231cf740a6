"""The packages of others that some options need."""

from importlib.util import find_spec

from involbench.errors import UsageError


def require(module: str, package: str, extra: str, option: str) -> None:
    """Check that a package is installed.

    Args:
        module: What is imported.
        package: What brings it.
        extra: The extra of involbench that installs it.
        option: What the user asked for.

    Raises:
        UsageError: It is not.
    """
    if find_spec(module) is None:
        raise UsageError(
            f"{option} needs {package}, which is not installed; pip install 'involbench[{extra}]'"
        )
