"""Figures -> files and text."""

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from involbench.reporting.plots.fonts import MissingGlyphs, with_all_glyphs
from involbench.reporting.plots.settings import RC
from involbench.results.files import write_atomic
from involbench.results.paths import AnyPath
from involbench.results.wording import visible

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

    def draw() -> bytes:
        buffer = BytesIO()
        metadata = _WITHOUT_A_DATE[name]
        figure.savefig(buffer, format=name, dpi=_DOTS_PER_INCH, metadata=metadata)
        return buffer.getvalue()

    _make_visible(figure)
    with rc_context({**RC, **(settings or {})}), warnings.catch_warnings():
        if (settings or {}).get("svg.fonttype") == "none":  # A browser draws it, in its own fonts.
            warnings.simplefilter("ignore", MissingGlyphs)
        content = with_all_glyphs(figure, draw)
        figure.set_layout_engine(None)  # Working it out again would take long.
    return content


def _make_visible(figure: Figure) -> None:
    """Names come from records: XML allows no control characters, and fonts have none."""
    for artist in figure.findobj(Text):
        text = artist.get_text()
        if text != (safe := visible(text)):
            artist.set_text(safe)
