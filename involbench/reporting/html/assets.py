"""The scripts that stand in a report, and the policy that lets no other script run."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from markupsafe import Markup

_UPLOT = "vendor/uPlot-1.6.32"
UPLOT = "uPlot 1.6.32 (MIT licence)"


def scripts(with_charts: bool) -> list[Markup]:
    """The text of each script element; those of charts only on request."""
    own = ["tables.js", "records.js", *(["charts.js"] if with_charts else [])]
    texts = [_text(f"scripts/{name}") for name in own]
    if with_charts:
        licence = _text(f"{_UPLOT}/LICENSE")
        texts.insert(0, f"/*!\n{licence}*/\n{_text(f'{_UPLOT}/uPlot.iife.min.js')}")
    return list(map(Markup, texts))


def chart_styles() -> Markup:
    """The styles that uPlot needs."""
    return Markup(_text(f"{_UPLOT}/uPlot.min.css"))


def policy(texts: Sequence[str] = ()) -> str:
    """A Content-Security-Policy: nothing is loaded, and only these scripts run."""
    hashes = (b64encode(sha256(text.encode()).digest()).decode() for text in texts)
    script = "".join(f" 'sha256-{each}'" for each in hashes)
    rule = f"; script-src{script}" if script else ""
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:{rule}"


def _text(name: str) -> str:
    return files("involbench.reporting.html").joinpath(name).read_text(encoding="utf-8")
