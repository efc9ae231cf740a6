"""Import matplotlib with fixed settings, independent of the configuration of the user.

This module must be imported before the others of this package.
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
"""Settings of every figure: the defaults of matplotlib, updated by `STYLE`."""
