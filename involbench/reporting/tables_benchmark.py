"""How the tables of every benchmark write times, ratios and the machine."""

from involbench.analysis.spread import Spread
from involbench.results.benchmark import Machine


def made_with(machine: Machine) -> str:
    """The versions and the hardware, as a sentence."""
    versions, hardware = machine.versions, machine.hardware
    backend = versions["backend"]
    names = ("involbench", "keras", backend, "numpy", "python")
    return (
        f"Made with {', '.join(f'{name} {versions[name]}' for name in names)} on {hardware.device} "
        f"({hardware.cpu}, {hardware.cores} core{'' if hardware.cores == 1 else 's'})."
    )


def ratio_cell(ratio: Spread) -> str:
    """A median ratio with its quartiles."""
    lower, upper = short(ratio.lower_quartile), short(ratio.upper_quartile)
    return f"{short(ratio.median)} ({lower} to {upper})"


def times_cell(factor: float | None) -> str:
    """A factor, `n/a` for None."""
    return "n/a" if factor is None else f"{short(factor)}x"


def share_cell(share: float) -> str:
    """A share in whole percent."""
    return f"{100 * share:.0f}%"


def milliseconds(seconds: float) -> str:
    """Seconds, written in milliseconds."""
    return short(1e3 * seconds)


def short(value: float) -> str:
    """Two digits or three."""
    if value < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
