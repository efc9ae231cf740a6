"""Deleting what is left over, as its owner."""

from errno import EEXIST, ENOTEMPTY

from involbench.errors import ResultsError
from involbench.results import files
from involbench.results.catalog import read_entry
from involbench.results.leftovers import Leftover, leftovers_of
from involbench.results.store import own


def remove(leftover: Leftover, failed: bool) -> bool:
    """Delete it, holding the lock of its run, if it still is a leftover then.

    Args:
        leftover: What to delete.
        failed: As it was given to `find_leftovers`.

    Returns:
        Whether it was deleted. Not where another process has taken the run up meanwhile.

    Raises:
        ResultsError: It cannot be deleted, or its run cannot be read any more.
    """
    if leftover.run is None:
        return _delete(leftover)
    with own(leftover.run) as owned:
        if not owned:
            return False
        entry = read_entry("", leftover.run, held=False)
        now = [each for each in leftovers_of(entry, failed) if each.path == leftover.path]
        return all(map(_delete, now)) and bool(now)


def _delete(leftover: Leftover) -> bool:
    """Whether all of it is gone: what has been put into it meanwhile stays, and it with that."""
    try:
        for path in (*leftover.inside, leftover.path):
            files.remove(path)
    except ResultsError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (EEXIST, ENOTEMPTY):
            return False
        raise
    return True
