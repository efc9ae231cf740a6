"""Figures -> files and text."""

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from involbench.reporting.style import RC
from involbench.results.files import write_atomic
from involbench.results.paths import AnyPath

_DOTS_PER_INCH = 150
_WITHOUT_A_DATE: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
FORMATS = tuple(_WITHOUT_A_DATE)


def save_figure(
    figure: Figure, path: AnyPath, formats: Sequence[str] = ("png", "svg")
) -> list[AnyPath]:
    """Write a file a format; the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: The file's, without its ending.
        formats: Of `FORMATS`; a PNG has 150 dots an inch.

    Raises:
        ResultsError: The folder cannot be written.
    """
    written = list[AnyPath]()
    for name in formats:
        target = path.parent / f"{path.name}.{name}"
        write_atomic(target, drawn(figure, name))
        written.append(target)
    return written


def drawn(figure: Figure, name: str, settings: dict[Any, Any] | None = None) -> bytes:
    """The content of a figure's file.

    Where everything stands in the figure is worked out when it is first drawn, and stays.

    Args:
        figure: The figure.
        name: The format, of `FORMATS`.
        settings: Of matplotlib, beside those of every figure.
    """
    buffer = BytesIO()
    with rc_context({**RC, **(settings or {})}), warnings.catch_warnings():
        # The names of classes may be in a script that the font lacks; a browser has another.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        metadata = _WITHOUT_A_DATE[name]
        figure.savefig(buffer, format=name, dpi=_DOTS_PER_INCH, metadata=metadata)
        figure.set_layout_engine(None)  # Working it out again would take long.
    return buffer.getvalue()
