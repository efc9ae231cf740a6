"""matplotlib with settings of involbench's own, whatever the user's files and variables say.

The first module of this package that is imported, so that matplotlib is imported here.
"""

import os
from contextlib import suppress
from typing import Any

from involbench.errors import InvolbenchError
from involbench.reporting.style import STYLE

_chosen = os.environ.pop("MPLBACKEND", None)
try:
    # It refuses to be imported with a backend that is not installed, such as that of a notebook
    # whose shell has started this process. A figure that is saved needs none.
    import matplotlib
except Exception as error:
    raise InvolbenchError(f"matplotlib cannot be imported: {error}") from error
finally:
    if _chosen is not None:
        os.environ["MPLBACKEND"] = _chosen
if _chosen is not None:
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _chosen  # In a notebook itself it is there, and wanted.

RC: dict[Any, Any] = {
    **{k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")},
    **STYLE,
}
"""Settings of every figure: matplotlib's own defaults, where `STYLE` says nothing else."""
