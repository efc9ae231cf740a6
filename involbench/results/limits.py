"""How large what is read from a results folder may be; all limits stand here.

They are far above what `involbench run` writes, and keep a folder from a stranger from filling the
memory. INVOLBENCH_LIMITS=4 multiplies each of them by four.
"""

import os

from involbench.errors import UsageError

VARIABLE = "INVOLBENCH_LIMITS"

_MIB = 2**20
RECORD = 16 * _MIB
"""Bytes of run.json, parameters.json and what benchmarks add."""
SPEC = 2**18
"""Bytes of spec.yaml, as of any spec."""
HISTORY = 64 * _MIB
"""Bytes of history.json."""
HISTORY_VALUES = 1_000_000
"""Numbers in history.json: 200,000 epochs of five."""
PREDICTIONS = 1024 * _MIB
"""Bytes of predictions.npz, packed and unpacked."""
KERNELS = 256 * _MIB
"""Bytes of kernels.npz, packed and unpacked."""
IMAGES = 16 * _MIB
"""Bytes of the images beside the runs, packed and unpacked."""
CHECKPOINT = 16 * 1024 * _MIB
"""Bytes of a checkpoint; the network says what there is to unpack."""
MODEL = 8 * 1024 * _MIB
"""Bytes of model.keras; the network says what there is to unpack."""
PLOT = 64 * _MIB
"""Bytes of a plot that is sent elsewhere."""
LOG = 64 * _MIB
"""Bytes of log.txt, where all of it is printed."""
PIXELS = 4096
"""Height, width and channels of an image, each."""
CLASSES = 100_000


def scaled(limit: int) -> int:
    """A limit as it holds for this process.

    Raises:
        UsageError: INVOLBENCH_LIMITS is no number.
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
    """What to say of something above a limit, as it was written here."""
    most = scaled(limit)
    if unit == "bytes":
        amount = f"{most // _MIB:,} MiB" if most >= _MIB else f"{most // 1024} KiB"
    else:
        amount = f"{most:,} {unit}"
    return f"larger than {amount}; if you trust it, {VARIABLE}=4 allows four times as much"
