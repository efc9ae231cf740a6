"""Sizes, durations, shares and counts as people read them."""

from datetime import timedelta

_UNITS = ("B", "kB", "MB", "GB", "TB")
_DAY = 24 * 60 * 60
_STEPS = ((_DAY, "d"), (60 * 60, "h"), (60, "min"), (1, "s"))


def size(count: int, like: int | None = None) -> str:
    """Bytes with three digits: `512 B`, `1.25 MB`, `87.3 GB`.

    With `like`, in the unit of that size and with as many digits, without the unit.
    """
    model = count if like is None else like
    scale = 1000 ** _step(model)
    large, small = model / scale >= 99.95 or scale == 1, model / scale < 9.995
    text = f"{count / scale:.{0 if large else 2 if small else 1}f}"
    return text if like is not None else text + unit_of(count)


def unit_of(count: int) -> str:
    """The unit that `size` gives it, with the blank before it."""
    return f" {_UNITS[_step(count)]}"


def _step(count: int) -> int:
    value, step = float(count), 0
    while value >= 999.5 and step < len(_UNITS) - 1:
        value, step = value / 1000, step + 1
    return step


def age(since: timedelta) -> str:
    """In the largest unit of which there is one: `40 s`, `5 min`, `3 h`, `12 d`."""
    seconds = max(int(since.total_seconds()), 0)
    length, unit = next((step for step in _STEPS if seconds >= step[0]), _STEPS[-1])
    return f"{seconds // length} {unit}"


def duration(seconds: float | None) -> str:
    """`8.2 s`, `3 min 20 s`, `2 h 5 min`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def percent(fraction: float | None, digits: int = 2, plus: bool = False, unit: str = "%") -> str:
    """A fraction in percent; `n/a` for None."""
    if fraction is None:
        return "n/a"
    return f"{100 * fraction:{'+' if plus else ''}.{digits}f}{unit}"


def counted(count: int, noun: str) -> str:
    """`1 run`, `1,024 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
