"""Bytes and seconds as people read them: powers of two with the unit, rates in MB/s, rounded durations."""

__all__ = ["GIB", "KIB", "MIB", "format_bytes", "format_duration", "format_rate", "plural"]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
_SECONDS_PER_MINUTE = 60
_SECONDS_PER_HOUR = 3600
_TENTHS_BELOW_SECONDS = 9.95
_DECIMALS_BELOW = 10
_BYTES_PER_MEGABYTE = 1_000_000


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
