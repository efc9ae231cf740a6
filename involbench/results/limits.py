"""The maximum sizes of the files that are read from a results folder.

They are far larger than what `involbench run` writes. They keep a folder that comes from somebody
else from filling the memory. INVOLBENCH_LIMITS=4 multiplies each limit by four.
"""

import os

from involbench.errors import UsageError

VARIABLE = "INVOLBENCH_LIMITS"

_MIB = 2**20
RECORD = 16 * _MIB
"""Bytes of run.json, parameters.json and the files of benchmarks."""
SPEC = 2**18
"""Bytes of spec.yaml."""
HISTORY = 64 * _MIB
"""Bytes of history.json."""
HISTORY_VALUES = 1_000_000
"""Numbers in history.json: 200,000 epochs of five."""
PREDICTIONS = 1024 * _MIB
"""Bytes of predictions.npz, compressed and uncompressed."""
KERNELS = 256 * _MIB
"""Bytes of kernels.npz, compressed and uncompressed."""
IMAGES = 16 * _MIB
"""Bytes of the sample images, compressed and uncompressed."""
CHECKPOINT = 16 * 1024 * _MIB
"""Bytes of a checkpoint; the network limits the uncompressed size."""
MODEL = 8 * 1024 * _MIB
"""Bytes of model.keras; the network limits the uncompressed size."""
PLOT = 64 * _MIB
"""Bytes of a plot that is exported."""
LOG = 64 * _MIB
"""Bytes of log.txt when it is printed as a whole."""
PIXELS = 4096
"""Height, width and channels of an image, each."""
CLASSES = 100_000


def scaled(limit: int) -> int:
    """A limit times INVOLBENCH_LIMITS.

    Raises:
        UsageError: INVOLBENCH_LIMITS is not a number from 1 to 1e6.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return limit
    try:
        factor = float(given)
        if not 1 <= factor <= 1e6:
            raise ValueError
    except ValueError:
        raise UsageError(f"{VARIABLE}={given[:40]}: expected a number from 1 to 1e6") from None
    return int(limit * factor)


def too_large(limit: int, unit: str = "bytes") -> str:
    """The end of a message about something that is above a limit."""
    most = scaled(limit)
    if unit == "bytes":
        amount = f"{most // _MIB:,} MiB" if most >= _MIB else f"{most // 1024} KiB"
    else:
        amount = f"{most:,} {unit}"
    return f"larger than {amount}; if you trust it, {VARIABLE}=4 allows four times as much"
