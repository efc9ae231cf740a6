"""A check before a large allocation, so that the user gets a line and not an out-of-memory kill."""

from involbench.errors import DataError


def require_memory(what: str, needed: int, remedy: str) -> None:
    """Raise DataError when `needed` bytes exceed what this machine has available now."""
    import psutil

    available = psutil.virtual_memory().available
    if needed > available:
        raise DataError(
            f"{what} need {gigabytes(needed)} of memory and {gigabytes(available)} are available",
            remedy=remedy,
        )


def gigabytes(size: int) -> str:
    """Bytes as text, e.g. 1_500_000_000 -> '1.5 GB'."""
    return f"{size / 1e9:.1f} GB"
