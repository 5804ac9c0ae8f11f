"""Bytes and seconds as people read them: powers of two with the unit, rates in MB/s, rounded durations."""

import re

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "format_bytes",
    "format_duration",
    "format_rate",
    "parse_bytes",
    "parse_duration",
    "plural",
]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
_SECONDS_PER_MINUTE = 60
_SECONDS_PER_HOUR = 3600
_TENTHS_BELOW_SECONDS = 9.95
_DECIMALS_BELOW = 10
_BYTES_PER_MEGABYTE = 1_000_000
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?", re.ASCII)
_SIZES = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}
_SIZES |= {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_DURATION = re.compile(r"([0-9]{1,9}) ?(s|min|h|d)", re.ASCII)
_SECONDS = {"s": 1, "min": _SECONDS_PER_MINUTE, "h": _SECONDS_PER_HOUR, "d": 24 * _SECONDS_PER_HOUR}


def parse_bytes(text: str) -> int:
    """Read a size as people write it: ``200GiB``, ``1.5 TiB``, ``500MB``, ``4096``.

    Raises:
        ValueError: It is written in another way.
    """
    match = _read(_BYTES, text, "a size such as 200GiB or 500MB")
    # Whole numbers stay exact, however large.
    number = float(match[1]) if "." in match[1] else int(match[1])
    return int(number * _SIZES[match[2] or "B"])


def parse_duration(text: str) -> int:
    """Read how long something takes or stays, in seconds: ``30s``, ``15min``, ``24h``, ``90d``.

    Raises:
        ValueError: It is written in another way.
    """
    match = _read(_DURATION, text, "a duration such as 15min, 24h or 90d")
    return int(match[1]) * _SECONDS[match[2]]


def _read(form: re.Pattern[str], text: str, expected: str) -> re.Match[str]:
    match = form.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected {expected}, found {text[:60]!r}")
    return match


def format_bytes(count: int) -> str:
    """Return ``count`` bytes with a binary unit: ``0 B``, ``950 B``, ``1.5 KiB``, ``118 MiB``, ``1.42 GiB``."""
    if count < KIB:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        value /= KIB
        # Rounding must not print "1024 MiB", so the step to the next unit looks at the rounded figure.
        if round(value) < KIB or unit == "PiB":
            break
    if unit in ("KiB", "MiB") and value >= _DECIMALS_BELOW:
        return f"{value:.0f} {unit}"
    return f"{value:.2f} {unit}" if unit not in ("KiB", "MiB") else f"{value:.1f} {unit}"


def format_rate(count: int, seconds: float) -> str:
    """Return ``count`` bytes in ``seconds`` as a rate: ``412 MB/s``; ``-`` when no time has passed."""
    if seconds <= 0:
        return "-"
    rate = count / seconds / _BYTES_PER_MEGABYTE
    return f"{rate:.1f} MB/s" if rate < _DECIMALS_BELOW else f"{rate:.0f} MB/s"


def format_duration(seconds: float) -> str:
    """Return ``seconds`` rounded as a person would say it: ``0.8 s``, ``41 s``, ``3 min 5 s``, ``2 h 4 min``."""
    if seconds < _TENTHS_BELOW_SECONDS:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _SECONDS_PER_MINUTE:
        return f"{whole} s"
    if whole < _SECONDS_PER_HOUR:
        minutes, rest = divmod(whole, _SECONDS_PER_MINUTE)
        return f"{minutes} min {rest} s"
    hours, rest = divmod(whole, _SECONDS_PER_HOUR)
    return f"{hours} h {rest // _SECONDS_PER_MINUTE} min"


def plural(count: int, singular: str, several: str | None = None) -> str:
    """Return ``count`` with its noun: ``1 image``, ``9 images``, ``2 entries`` for an irregular ``several``."""
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"
