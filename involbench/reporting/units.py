"""Sizes and ages as a person reads them."""

from datetime import timedelta

_UNITS = ("B", "kB", "MB", "GB", "TB")
_DAY = 24 * 60 * 60
_STEPS = ((_DAY, "d"), (60 * 60, "h"), (60, "min"), (1, "s"))


def size(count: int) -> str:
    """Bytes with three digits: `512 B`, `1.25 MB`, `87.3 GB`."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    if unit == 0 or value >= 99.95:
        return f"{value:.0f} {_UNITS[unit]}"
    return f"{value:.{2 if value < 9.995 else 1}f} {_UNITS[unit]}"


def age(since: timedelta) -> str:
    """In the largest unit of which there is one: `40 s`, `5 min`, `3 h`, `12 d`."""
    seconds = max(int(since.total_seconds()), 0)
    length, unit = next((step for step in _STEPS if seconds >= step[0]), _STEPS[-1])
    return f"{seconds // length} {unit}"


def elapsed(seconds: float) -> str:
    """`8.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    return f"{minutes // 60:,} h {minutes % 60} min"
